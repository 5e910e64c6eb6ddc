import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { probeScript, parseProbe } from "./probe.ts";
import * as scripts from "./scripts.ts";
import { parsePieces, parseSurvey, pieceLine, type Piece } from "./survey.ts";

test("a survey tells what each attempt shows", () => {
  const record = '{"host":"n1","pid":17,"started":"5","boot":"b"}';
  const answer = [
    "aa/one-1 missing",
    "aa/two-1 unclaimed",
    "aa/three-1 withdrawn",
    'aa/four-1 ended {"attempt":"four-1"}',
    `aa/five-1 claimed alive 4200 ${record}`,
    "aa/six-1 claimed unknown - ",
    "sizes",
    "      12 aa/five-1/stdout.log",
    "       0 aa/five-1/stderr.log",
    "      12 total",
    "",
  ].join("\n");
  const { sights, sizes } = parseSurvey(answer);
  expect(Object.fromEntries(sights)).toEqual({
    "aa/one-1": { state: "missing" },
    "aa/two-1": { state: "unclaimed" },
    "aa/three-1": { state: "withdrawn" },
    "aa/four-1": { state: "ended", record: '{"attempt":"four-1"}' },
    "aa/five-1": { state: "claimed", witness: "alive", beat: "4200", record },
    "aa/six-1": { state: "claimed", witness: "unknown", beat: null, record: "" },
  });
  expect(Object.fromEntries(sizes)).toEqual({ "aa/five-1/stdout.log": 12, "aa/five-1/stderr.log": 0 });
});

test("an answer that is no survey is refused, whatever it is [F01] [F11]", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      fc.pre(!text.startsWith("sizes"));
      expect(() => parseSurvey(text)).toThrow("cannot be read");
    }),
  );
});

test("pieces of files arrive byte by byte, and those after a short one are left out", () => {
  const content = fc.uint8Array({ maxLength: 50 });
  const file = fc.record({ path: fc.stringMatching(/^[a-z]{1,9}( [a-z]{1,9})?$/), offset: fc.nat(9), content });
  fc.assert(
    fc.property(fc.array(file, { minLength: 1, maxLength: 5 }), fc.nat(4), (files, short) => {
      const asked = files.map(({ path, offset, content: bytes }): Piece => ({ path, offset, count: bytes.length }));
      const answered = files.map(({ content: bytes }, index) => (index === short ? bytes.subarray(1) : bytes));
      const answer = Buffer.concat(
        asked.flatMap((piece, index) => [Buffer.from(pieceLine(piece)), answered[index] ?? Buffer.alloc(0)]),
      );
      const found = parsePieces(answer, asked);
      const whole = answered.findIndex((bytes, index) => bytes.length !== files[index]?.content.length);
      expect(found.length).toBe(whole === -1 ? files.length : whole);
      for (const [index, { bytes }] of found.entries()) expect([...bytes]).toEqual([...(files[index]?.content ?? [])]);
    }),
  );
});

test("a probe of a host is read, without the GPUs that are left alone", () => {
  const answer = [
    "host n1",
    "cpus 8",
    "MemTotal: 1000",
    "MemAvailable: 600",
    "memory-limit max",
    "disk 50",
    "inodes -",
    "gpus",
    "0, GPU-a, NVIDIA A100, 40000, 10",
    "1, GPU-b, RTX A6000, 48000, 20",
  ].join("\n");
  expect(parseProbe(answer, ["A6000"])).toMatchObject({
    host: "n1",
    cpus: 8,
    memory_total: 1_024_000,
    memory_free: 614_400,
    disk_free: 51_200,
    inodes_free: Number.MAX_SAFE_INTEGER,
    gpus: [{ uuid: "GPU-a" }],
  });
  expect(() => parseProbe("host n1\ngpus\n", [])).toThrow("does not say what it has");
});

const places = ["/plain", "/with space/it's $HOME"];
const all = Object.entries({ ...scripts, probeScript });

test.each(all.flatMap(([name, script]) => places.map((root) => [name, root, script(root)] as const)))(
  "%s is POSIX shell for the root %s",
  (_name, _root, script) => {
    const found = spawnSync("shellcheck", ["--shell=sh", "--exclude=SC2016", "-"], { input: script, encoding: "utf8" });
    expect(found).toMatchObject({ status: 0, stdout: "" });
  },
);
