import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AttemptDirectory } from "./attempt-directory.ts";
import { parsePs, parseStat } from "../../hosts/processes.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rigor-attempt-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("attempts are spread over folders by their run, and lie open to their owner only", () => {
  const directory = AttemptDirectory.in(folder, "ab1234", "attempt-1");
  directory.create();
  expect(directory.path).toBe(join(folder, "attempts", "ab", "attempt-1"));
  expect(statSync(directory.path).mode & 0o777).toBe(0o700);
});

test.each(["", ".", "..", "../x", "a/b", "a b", "-n", "a\nb"])("%j is refused as the name of an attempt", (name) => {
  expect(() => AttemptDirectory.in(folder, "ab1234", name)).toThrow(/cannot name/);
});

test("nothing that a run is told to write is a record of Rigor", () => {
  const directory = AttemptDirectory.in(folder, "ab1234", "attempt-1");
  for (const record of [directory.exit, directory.process, directory.spec, directory.script, directory.claim]) {
    expect(record.startsWith(`${directory.output}/`)).toBe(false);
  }
  for (const own of [directory.metrics, directory.checkpoints])
    expect(own.startsWith(`${directory.output}/`)).toBe(true);
});

describe("records", () => {
  const exit =
    '{"attempt":"a","code":0,"signal":null,"reason":"exited","oom_kills":null,"memory_peak":null,"gpu_memory_peak":5,"duration":0.1,"started_at":1,"finished_at":1.1}\n';

  test("every beginning of a record is no record [F01]", () => {
    const directory = new AttemptDirectory(join(folder, "a"));
    directory.create();
    for (let length = 0; length < exit.length; length++) {
      writeFileSync(directory.exit, exit.slice(0, length));
      expect(directory.readExit()).toBeNull();
    }
    writeFileSync(directory.exit, exit);
    expect(directory.readExit()).toMatchObject({ code: 0 });
    writeFileSync(directory.exit, exit.replace('"a"', '"b"'));
    expect(directory.readExit()).toBeNull();
  });

  test("missing and foreign files are no records [F01]", () => {
    const directory = new AttemptDirectory(folder);
    expect(directory.readExit()).toBeNull();
    expect(directory.readProcess()).toBeNull();
    expect(directory.lastBeatMs()).toBeNull();
    for (const content of ['{"reason":"done"}\n', "3\n", "\u0000\n", `${"x".repeat(100_000)}\n`]) {
      writeFileSync(directory.exit, content);
      writeFileSync(directory.process, content);
      expect(directory.readExit()).toBeNull();
      expect(directory.readProcess()).toBeNull();
    }
  });
});

describe("processes as the system lists them", () => {
  test("a line of /proc, with a name that has spaces and parentheses", () => {
    const line = "42 (a) b (c) S 1 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 266577 9 10";
    expect(parseStat(line)).toEqual({ pid: 42, parent: 1, group: 40, session: 39, started: "266577", zombie: false });
    expect(parseStat(line.replace(") S", ") Z"))).toMatchObject({ zombie: true });
    expect(parseStat("")).toBeNull();
    expect(parseStat("42 (a")).toBeNull();
  });

  test("a line of ps", () => {
    expect(parsePs("  42   1   40 Ss   Sat Nov 21 09:04:05 2026")).toEqual({
      pid: 42,
      parent: 1,
      group: 40,
      session: 0,
      started: "Sat Nov 21 09:04:05 2026",
      zombie: false,
    });
    expect(parsePs("")).toBeNull();
  });
});
