import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "../domain/canonical.ts";
import { hashInputs, stageInputs } from "./inputs.ts";
import { scratchDirectory, writeFiles } from "./scratch-repository.testing.ts";

const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");

async function hashOf(directory: string, path = "data"): Promise<string | undefined> {
  return (await hashInputs(directory, { data: { path } }))["data"]?.sha256;
}

test("a file is named by its content, and a changed one is another input [provenance.inputs] [identity.run-key]", async () => {
  const directory = scratchDirectory();
  writeFiles(directory, { "data/corpus.txt": "text" });
  const inputs = { corpus: { path: "data/corpus.txt" } };
  expect(await hashInputs(directory, inputs)).toEqual({
    corpus: { path: "data/corpus.txt", sha256: sha256("text"), size: 4, files: 1 },
  });
  writeFiles(directory, { "data/corpus.txt": "tex!" });
  expect((await hashInputs(directory, inputs))["corpus"]?.sha256).toBe(sha256("tex!"));
});

test("a directory's hash follows from names, contents and executable bits only [provenance.inputs]", async () => {
  const names = fc.stringMatching(/^[a-c]{1,2}(\/[d-f]{1,2})?$/);
  const trees = fc.dictionary(names, fc.string({ maxLength: 3 }), { minKeys: 1, maxKeys: 4 });
  const usable = trees.filter((tree) =>
    Object.keys(tree).every((name) => !Object.keys(tree).some((n) => n.startsWith(`${name}/`))),
  );
  await fc.assert(
    fc.asyncProperty(usable, usable, async (one, other) => {
      const directory = scratchDirectory();
      writeFiles(join(directory, "one"), one);
      writeFiles(join(directory, "again"), Object.fromEntries(Object.entries(one).reverse()));
      writeFiles(join(directory, "other"), other);
      expect(await hashOf(directory, "again")).toBe(await hashOf(directory, "one"));
      const equal = canonicalJson(one) === canonicalJson(other);
      expect((await hashOf(directory, "other")) === (await hashOf(directory, "one"))).toBe(equal);
    }),
    { numRuns: 30 },
  );
});

test("an executable bit and a moved file change a directory's hash, a link to equal content does not", async () => {
  const directory = scratchDirectory();
  writeFiles(directory, { "data/a": "1", "data/sub/b": "2", elsewhere: "2" });
  const before = await hashOf(directory);
  chmodSync(join(directory, "data/a"), 0o755);
  expect(await hashOf(directory)).not.toBe(before);
  chmodSync(join(directory, "data/a"), 0o644);
  expect(await hashOf(directory)).toBe(before);
  mkdirSync(join(directory, "linked/sub"), { recursive: true });
  writeFiles(directory, { "linked/a": "1" });
  symlinkSync("../../elsewhere", join(directory, "linked/sub/b"));
  expect(await hashOf(directory, "linked")).toBe(before);
});

test("missing inputs, dangling links and endless directories are named", async () => {
  const directory = scratchDirectory();
  await expect(hashOf(directory)).rejects.toMatchObject({
    code: "not-found",
    message: expect.stringContaining(`Input data is missing: there is nothing at ${directory}/data`),
    next: expect.stringContaining("inputs.data.path"),
  });
  mkdirSync(join(directory, "data"));
  symlinkSync("nowhere", join(directory, "data/link"));
  await expect(hashOf(directory)).rejects.toThrow("leads nowhere");
  mkdirSync(join(directory, "loop"));
  symlinkSync("..", join(directory, "loop/up"));
  await expect(hashOf(directory, "loop")).rejects.toThrow(/link to a directory that holds it|leads nowhere/);
});

test("the cache is used for an old file, and not for one that may have changed [provenance.inputs]", async () => {
  const directory = scratchDirectory();
  const [file, cacheFile] = [join(directory, "data"), join(directory, "cache/hashes.json")];
  writeFileSync(file, "1");
  const hash = async () => (await hashInputs(directory, { data: { path: "data" } }, cacheFile))["data"]?.sha256;
  expect(await hash()).toBe(sha256("1"));
  expect(existsSync(cacheFile), "just written: not to be trusted").toBe(false);
  await sleep(2100);
  await hash();
  // A wrong entry shows that the file was not read again.
  writeFileSync(cacheFile, readFileSync(cacheFile, "utf8").replace(sha256("1"), "0".repeat(64)));
  expect(await hash()).toBe("0".repeat(64));
  const { mtime } = statSync(file);
  writeFileSync(file, "2");
  utimesSync(file, mtime, mtime);
  expect(await hash(), "equal size and a time set back").toBe(sha256("2"));
  writeFileSync(cacheFile, "{ damaged");
  expect(await hash()).toBe(sha256("2"));
});

test("inputs are staged once by content, read-only, and only as they were hashed [provenance.inputs]", async () => {
  const directory = scratchDirectory();
  writeFiles(directory, { "data/a": "1", "data/sub/b": "2", single: "1" });
  chmodSync(join(directory, "data/a"), 0o755);
  const hashes = await hashInputs(directory, {
    data: { path: "data" },
    single: { path: "single" },
    twin: { path: "single" },
  });
  const store = join(directory, "store");
  const staged = await stageInputs(directory, hashes, store);
  expect(staged["twin"]).toBe(staged["single"]);
  expect(staged["single"]).toBe(join(store, sha256("1")));
  expect(readdirSync(store)).toHaveLength(2);
  expect(readFileSync(join(staged["data"] ?? "", "sub/b"), "utf8")).toBe("2");
  expect(await hashOf(store, hashes["data"]?.sha256)).toBe(hashes["data"]?.sha256);
  for (const path of ["", "a", "sub", "sub/b"]) expect(statSync(join(staged["data"] ?? "", path)).mode & 0o222).toBe(0);

  writeFiles(directory, { "data/sub/b": "3", single: "changed" });
  expect(await stageInputs(directory, hashes, store)).toEqual(staged);
  const another = join(directory, "another");
  await expect(stageInputs(directory, hashes, another)).rejects.toThrow("changed after it was hashed");
  expect(readdirSync(another)).toEqual([]);
});
