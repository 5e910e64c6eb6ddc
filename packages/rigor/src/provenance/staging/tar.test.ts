import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { scratchDirectory } from "../scratch-repository.testing.ts";
import { readRange } from "./read-range.ts";
import { tarArchive, tarText, type TarEntry } from "./tar.ts";

/** Each with what makes it extract an archive from standard input. */
const programs = [["tar"], ["busybox", "tar"]].filter(([program = ""]) => spawnSync(program, ["--help"]).status === 0);

test.each(programs)("%s %s unpacks names of any bytes and length, and what is executable", async (...program) => {
  const long = `${"a very long name/".repeat(30)}file`;
  const bytes = Buffer.from([0x66, 0xff, 0x0a, 0x5c, 0x66]);
  const script = { ...tarText("script", "#!/bin/sh\n"), executable: true };
  const link: TarEntry = { type: "link", name: Buffer.from("link"), target: Buffer.from(long) };
  const odd: TarEntry = {
    type: "file",
    name: bytes,
    size: 600,
    executable: false,
    content: () => [Buffer.alloc(600, "x")],
  };
  const directory = scratchDirectory();
  const [file = "", ...args] = program;
  const input = await buffer(tarArchive([tarText(long, "deep"), script, link, odd, tarText("empty", "")]));
  expect(gunzipSync(input).length % 512).toBe(0);
  expect(spawnSync(file, [...args, "-xzf", "-"], { cwd: directory, input })).toMatchObject({ status: 0 });
  expect(readFileSync(join(directory, long), "utf8")).toBe("deep");
  expect(readlinkSync(join(directory, "link"))).toBe(long);
  expect(statSync(join(directory, "script")).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory, "empty")).mode & 0o777).toBe(0o600);
  expect(statSync(join(directory, "empty")).size).toBe(0);
  expect(readFileSync(Buffer.concat([Buffer.from(`${directory}/`), bytes])).length).toBe(600);
  expect(readdirSync(directory)).toHaveLength(5);
});

test.each(programs)("%s %s refuses an archive that was cut off anywhere", async (...program) => {
  const [file = "", ...args] = program;
  const entries = Array.from({ length: 20 }, (_, index) => tarText(`file-${index}`, `${index}`.repeat(1_000)));
  const input = await buffer(tarArchive(entries));
  for (let length = 0; length < input.length; length += 97) {
    const cut = input.subarray(0, length);
    const { status } = spawnSync(file, [...args, "-xzf", "-"], { cwd: scratchDirectory(), input: cut });
    expect(status, `${length} of ${input.length} bytes`).not.toBe(0);
  }
});

test("an archive of a file that cannot be read ends with its error", async () => {
  const content = () => readRange("/nowhere", 0, 5);
  const entry: TarEntry = { type: "file", name: Buffer.from("a"), size: 5, executable: false, content };
  await expect(buffer(tarArchive([tarText("b", "1"), entry]))).rejects.toThrow("ENOENT");
});

test("sizes that do not fit into octal digits are read by tar", async () => {
  const size = 9_000_000_000;
  const entry: TarEntry = { type: "file", name: Buffer.from("huge"), size, executable: false, content: () => [] };
  const input = gunzipSync(await buffer(tarArchive([entry]))).subarray(0, 512);
  const { stdout } = spawnSync("tar", ["-tvf", "-"], { input, encoding: "utf8" });
  expect(stdout).toContain(` ${size} `);
});
