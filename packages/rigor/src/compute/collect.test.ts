import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptDirectory } from "./attempt/attempt-directory.ts";
import { collectAttempt, defaultLimit, mostMetrics, parseMetrics, readResult, resultLimit } from "./collect.ts";
import { fromTheStart } from "./executors/executor.testing.ts";
import { readFrom, readLastText } from "../hosts/tail.ts";

let folder: string;
let directory: AttemptDirectory;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rigor-collect-"));
  directory = new AttemptDirectory(join(folder, "attempt"));
  directory.create();
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

describe("logs", () => {
  test("what was read in pieces while the file grew is the file, whatever the pieces cut [job.logs-whole]", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.integer({ min: 1, max: 17 }), (writes, limit) => {
        rmSync(directory.stdout, { force: true });
        const read: Uint8Array[] = [];
        let offset = 0;
        const pull = () => {
          const piece = readFrom(directory.stdout, offset, limit);
          offset += piece.length;
          read.push(piece);
          return piece.length;
        };
        for (const content of writes) {
          appendFileSync(directory.stdout, content);
          pull();
        }
        while (pull() > 0);
        expect(Buffer.concat(read)).toEqual(Buffer.concat(writes));
      }),
      { numRuns: 50 },
    );
  });

  test("a missing log and an offset behind its end give nothing", () => {
    expect(readFrom(directory.stdout, 0, 10)).toHaveLength(0);
    writeFileSync(directory.stdout, "abc");
    expect(readFrom(directory.stdout, 3, 10)).toHaveLength(0);
    expect(readFrom(directory.stdout, 7, 10)).toHaveLength(0);
  });

  test("the tail of a long log begins with a whole line", () => {
    writeFileSync(directory.stderr, "first é\nsecond\nthird\n");
    expect(readLastText(directory.stderr, 10)).toBe("third\n");
    expect(readLastText(directory.stderr, 1000)).toBe("first é\nsecond\nthird\n");
    expect(readLastText(directory.stdout, 10)).toBe("");
  });
});

describe("metrics", () => {
  test("only whole lines are collected while a job runs; the rest follows", () => {
    writeFileSync(directory.metrics, '{"step":1,"loss":2}\n{"step":2,"lo');
    const first = collectAttempt(directory, fromTheStart, defaultLimit);
    expect(parseMetrics(first.metrics, 0).points).toEqual([{ line_offset: 0, step: 1, name: "loss", value: 2 }]);
    appendFileSync(directory.metrics, 'ss":1}\n');
    const second = collectAttempt(directory, first.offsets, defaultLimit);
    expect(parseMetrics(second.metrics, first.offsets.metrics)).toMatchObject({
      points: [{ line_offset: 20, step: 2, name: "loss", value: 1 }],
      malformed: 0,
    });
  });

  test("a line longer than the limit does not stop the stream", () => {
    writeFileSync(directory.metrics, `${"x".repeat(100)}\n{"step":1,"a":1}\n`);
    let { offsets, metrics } = collectAttempt(directory, fromTheStart, 32);
    const points = [];
    while (metrics.length > 0) {
      points.push(...parseMetrics(metrics, offsets.metrics - metrics.length).points);
      ({ offsets, metrics } = collectAttempt(directory, offsets, 32));
    }
    expect(offsets.metrics).toBe(118);
    expect(points).toMatchObject([{ name: "a", value: 1, line_offset: 101 }]);
  });

  test("bad lines, also with a name twice, and values that are not finite are counted and stop nothing [F01] [F12]", () => {
    const text =
      '{"step":1,"a":1}\nrubbish\n[1]\n{"step":"x","a":1}\n{"step":2,"a":1,"a":2}\n\n{"step":2,"a":NaN,"b":-Infinity,"c":null,"d":"NaN"}\n{"a":3}\n';
    expect(parseMetrics(bytes(text), 0)).toEqual({
      points: [
        { line_offset: 0, step: 1, name: "a", value: 1 },
        { line_offset: text.indexOf('{"a":3}'), step: null, name: "a", value: 3 },
      ],
      malformed: 4,
      malformed_example: "rubbish",
      non_finite: 3,
    });
  });

  test("the same bytes give the same points, wherever they were cut at line ends [store.idempotent-metrics]", () => {
    const lines = Array.from({ length: 20 }, (_, step) => `{"step":${step},"é":${step / 2}}\n`);
    const whole = bytes(lines.join(""));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20 }), (cut) => {
        const at = bytes(lines.slice(0, cut).join("")).length;
        const pieces = [
          ...parseMetrics(whole.subarray(0, at), 0).points,
          ...parseMetrics(whole.subarray(at), at).points,
        ];
        expect(pieces).toEqual(parseMetrics(whole, 0).points);
      }),
    );
  });
});

describe("a result file", () => {
  function read(text: string | Buffer) {
    writeFileSync(join(directory.output, "result.json"), text);
    return readResult(directory.output, "result.json", ["a", "loss"]);
  }

  test("with metrics is read", () => {
    expect(read('{"metrics":{"loss":0.5,"n":3},"inputs_hash":"abc"}')).toEqual({
      ok: true,
      metrics: { loss: 0.5, n: 3 },
      inputs_hash: "abc",
      warnings: [],
    });
  });

  test.each([
    ["NaN", "NaN"],
    ["-Infinity", "-Infinity"],
    ["1e999", "Infinity"],
    ["null", "null"],
  ])("without a declared metric that is not finite is read, and says what was left out: %s [F12]", (written, shown) => {
    expect(read(`{"metrics":{"loss":0.5,"extra":${written}}}`)).toEqual({
      ok: true,
      metrics: { loss: 0.5 },
      inputs_hash: null,
      warnings: [`result.json: the metric extra is ${shown}; it is not declared, and left out.`],
    });
  });

  test.each([
    ["", "empty"],
    [" \n", "empty"],
    ["{", "not JSON"],
    ["{'metrics': {}}", "not JSON"],
    ["[1]", "not an object"],
    ["3", "not an object"],
    ["null", "not an object"],
    ["{}", "no metrics"],
    ['{"metrics":{}}', "no metrics"],
    ['{"metrics":{"a":1,"loss":2,"a":3}}', "repeated name"],
    ['{"metrics":{"loss":1,"l\\u006fss":1}}', "repeated name"],
    ['{"metrics":{"a":NaN,"a":3}}', "repeated name"],
    ['{"metrics":{"a":1},"metrics":{"a":2}}', "repeated name"],
    ['{"metrics":{"a":1},"inputs_hash":"x","inputs_hash" : "y"}', "repeated name"],
    ['{"metrics":[1]}', "no metrics"],
    ['{"metrics":{"a":"1"}}', "not a number"],
    ['{"metrics":{"a":true}}', "not a number"],
    ['{"metrics":{"a":NaN}}', "non-finite"],
    ['{"metrics":{"a":-Infinity}}', "non-finite"],
    ['{"metrics":{"a":1e999}}', "non-finite"],
    ['{"metrics":{"a":null}}', "non-finite"],
  ])("%j is refused: %s [F12] [job.bad-result]", (text, name) => {
    const found = read(text);
    expect(found).toMatchObject({ ok: false, problem: name });
    if (!found.ok) expect(found.message).toContain("result.json");
  });

  test("with a name twice where it does not count is read", () => {
    const text = '{"note":{"a":1,"a":2},"all":["a","a",{"a":":"}],"metrics":{"a":3,"}\\"a\\":":4},"a":"a"}';
    expect(read(text)).toMatchObject({ ok: true, metrics: { a: 3, '}"a":': 4 } });
  });

  test("that names a metric twice is refused by that name [F12] [job.bad-result]", () => {
    expect(read('{"metrics":{"loss":1,"loss":2}}')).toMatchObject({ message: expect.stringContaining('"loss" twice') });
  });

  test("with very many names is searched for repeated ones, and refused above a limit [job.bad-result]", () => {
    const names = Array.from({ length: mostMetrics }, (_, index) => `"metric ${index}":${index}`).join(",");
    expect(read(`{"metrics":{${names}}}`)).toMatchObject({ ok: true });
    expect(read(`{"metrics":{${names},"metric 7":1}}`)).toMatchObject({ ok: false, problem: "repeated name" });
    expect(read(`{"metrics":{${names},"more":1}}`)).toMatchObject({
      problem: "too many metrics",
      message: expect.stringContaining("has 10001 metrics, and a run may have 10000"),
    });
  });

  test.each([
    ["Latin-1", Buffer.from('{"metrics":{"a":1},"note":"\u00e9"}', "latin1")],
    ["UTF-16", Buffer.from('\ufeff{"metrics":{"a":1}}', "utf16le")],
  ])("in %s is refused as not UTF-8 [F12] [job.bad-result]", (_, content) => {
    expect(read(content)).toMatchObject({
      problem: "not UTF-8",
      message: expect.stringContaining("result.json is not UTF-8"),
    });
  });

  test("may begin with the mark of UTF-8 that some programs write", () => {
    expect(read('\ufeff{"metrics":{"a":1}}')).toMatchObject({ ok: true, metrics: { a: 1 } });
  });

  test("names the first of many undeclared metrics that it leaves out, and how many more there are", () => {
    const names = Array.from({ length: 1_000 }, (_, index) => `"extra ${index}":NaN`).join(",");
    const found = read(`{"metrics":{"a":1,${names}}}`);
    const warnings = found.ok ? found.warnings : [];
    expect(warnings).toHaveLength(11);
    expect(warnings[0]).toContain("the metric extra 0 is NaN");
    expect(warnings[10]).toContain("990 more metrics");
  });

  test("NaN is named as it was written, and words in strings are left alone [F12]", () => {
    expect(read('{"note":"NaN \\" NaN","metrics":{"loss":NaN}}')).toMatchObject({
      message: expect.stringContaining("loss is NaN"),
    });
    expect(read('{"note":"is NaN \\" Infinity","metrics":{"loss":1}}')).toMatchObject({ ok: true });
  });

  test("that is missing, huge, a folder, a pipe or outside is refused [job.bad-result]", () => {
    const problemOf = (file: string) => {
      const found = readResult(directory.output, file, []);
      return found.ok ? "ok" : found.problem;
    };
    expect(problemOf("result.json")).toBe("missing");
    writeFileSync(join(directory.output, "huge.json"), Buffer.alloc(resultLimit + 1, " "));
    expect(problemOf("huge.json")).toBe("too large");
    mkdirSync(join(directory.output, "folder"));
    expect(problemOf("folder")).toBe("no file");
    execFileSync("mkfifo", [join(directory.output, "pipe")]);
    expect(problemOf("pipe")).toBe("no file");
    writeFileSync(join(folder, "other.json"), '{"metrics":{"a":1}}');
    symlinkSync(join(folder, "other.json"), join(directory.output, "link.json"));
    expect(problemOf("link.json")).toBe("outside");
    expect(problemOf("../../other.json")).toBe("outside");
    symlinkSync("loop.json", join(directory.output, "loop.json"));
    expect(problemOf("loop.json")).toBe("unreadable");
    writeFileSync(join(directory.output, "real.json"), '{"metrics":{"a":1}}');
    symlinkSync("real.json", join(directory.output, "inner.json"));
    expect(problemOf("inner.json")).toBe("ok");
  });
});
