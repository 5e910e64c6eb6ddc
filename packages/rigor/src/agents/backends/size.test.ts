import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { measure, SessionSize, sizeText } from "./size.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rigor-size-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const megabytes = (count: number) => Buffer.alloc(count * 1_000_000, 1);

test("what files take is counted below folders and by name, links and what is not there are not followed [session.size]", async () => {
  mkdirSync(join(folder, "a/b"), { recursive: true });
  writeFileSync(join(folder, "a/b/large.bin"), megabytes(3));
  writeFileSync(join(folder, "log.md"), megabytes(1));
  writeFileSync(join(folder, "other.bin"), megabytes(8));
  symlinkSync(join(folder, "other.bin"), join(folder, "a/link"));
  const found = await measure([join(folder, "a"), join(folder, "log.md"), join(folder, "none")]);
  expect(found.bytes).toBeGreaterThan(4_000_000);
  expect(found.bytes).toBeLessThan(4_200_000);
  expect(found.largest).toMatchObject({ path: join(folder, "a/b/large.bin") });
});

test("a file with holes takes what it takes of the disk [session.size]", async () => {
  const sparse = join(folder, "sparse.bin");
  writeFileSync(sparse, "");
  truncateSync(sparse, 2 ** 40);
  expect((await measure([folder])).bytes).toBeLessThan(1_000_000);
});

test("a session is told when it has left too much, and by which file [session.size]", async () => {
  const size = new SessionSize([folder], 2_000_000);
  size.look(0);
  expect(size.problem()).toBeNull();
  writeFileSync(join(folder, "dump.bin"), megabytes(3));
  await expect
    .poll(() => (size.look(1e9 + performance.now()), size.problem()), { timeout: 20_000 })
    .toMatchObject({
      outcome: "size-limit",
      evidence: expect.stringMatching(
        /takes 3\.?\d* MB of the disk, and may take 2 MB\. The largest file is .*dump\.bin \(3 MB\)\.$/,
      ),
    });
});

test.each([
  [999, "999 B"],
  [2_000_000_000, "2 GB"],
  [2_345_678, "2.35 MB"],
])("%i bytes are %s for people [session.size]", (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});
