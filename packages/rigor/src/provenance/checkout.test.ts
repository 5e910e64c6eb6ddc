import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { checkout, removeCheckout } from "./checkout.ts";
import { commitAll, runGit, scratchDirectory, scratchRepository, writeFiles } from "./scratch-repository.testing.ts";
import { snapshot } from "./snapshot.ts";

const writable = 0o222;

test("a commit becomes a read-only directory with its links and modes [provenance.checkout]", async () => {
  const repository = scratchRepository({ script: "#!/bin/sh\necho ran\n", "dir/a b\nc": "1" });
  chmodSync(join(repository, "script"), 0o755);
  symlinkSync("script", join(repository, "link"));
  const { commit } = await snapshot(repository);
  const target = scratchDirectory();
  const directory = await checkout({
    repository,
    commit,
    directory: join(scratchDirectory(), "checkouts", commit),
    links: { "dir/node_modules": target, "deep/er/venv": "/nonexistent" },
  });
  expect(execFileSync(join(directory, "link"), { encoding: "utf8" })).toBe("ran\n");
  expect(readdirSync(join(directory, "dir")).sort()).toEqual(["a b\nc", "node_modules"]);
  expect(readlinkSync(join(directory, "dir/node_modules"))).toBe(target);
  expect(readlinkSync(join(directory, "deep/er/venv"))).toBe("/nonexistent");
  for (const path of [".", "script", "dir", "dir/a b\nc", "deep/er"]) {
    expect(statSync(join(directory, path)).mode & writable, path).toBe(0);
  }
  expect(statSync(target).mode & 0o200, "the link's target stays writable").not.toBe(0);
  expect(readdirSync(join(directory, "..")), "nothing is left beside it").toEqual([commit, `${commit}.sealed`]);

  await removeCheckout(directory);
  await removeCheckout(directory);
  expect(existsSync(directory)).toBe(false);
  expect(existsSync(target)).toBe(true);
});

test("what lies in the repository now does not change an old commit's checkout [provenance.checkout] [F59]", async () => {
  const repository = scratchRepository({ "a.txt": "old\n", ".gitattributes": "hidden export-ignore\n", hidden: "1" });
  const commit = runGit(repository, "rev-parse", "HEAD");
  writeFiles(repository, { "a.txt": "new\n", ".gitattributes": "*.txt eol=crlf\n", extra: "1" });
  runGit(repository, "config", "core.autocrlf", "true");
  const directory = await checkout({ repository, commit, directory: join(scratchDirectory(), "c") });
  expect(readdirSync(directory).sort()).toEqual([".gitattributes", "a.txt", "hidden"]);
  expect(readFileSync(join(directory, "a.txt"), "utf8")).toBe("old\n");
});

test("committed attributes apply, and a sparse checkout is completed", async () => {
  const repository = scratchRepository({ ".gitattributes": "*.bat eol=crlf\n", "in/a": "1", "out/b.bat": "x\ny\n" });
  runGit(repository, "sparse-checkout", "set", "in");
  const directory = await checkout({ repository, commit: "HEAD", directory: join(scratchDirectory(), "c") });
  expect(readFileSync(join(directory, "out/b.bat"), "utf8")).toBe("x\r\ny\r\n");
  expect((await snapshot(repository)).dirty).toBe(false);
});

test("concurrent callers get one complete directory, and a second call does nothing [provenance.checkout]", async () => {
  const repository = scratchRepository();
  const parent = scratchDirectory();
  const request = { repository, commit: "HEAD", directory: join(parent, "c") };
  const made = await Promise.all(Array.from({ length: 5 }, () => checkout(request)));
  expect(new Set(made)).toEqual(new Set([request.directory]));
  const { ino } = statSync(request.directory);
  await checkout(request);
  expect(statSync(request.directory).ino).toBe(ino);
  expect(readdirSync(parent)).toEqual(["c", "c.sealed"]);
});

test("processes at the same time agree on one directory", async () => {
  const repository = scratchRepository(Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, `${i}`])));
  const parent = scratchDirectory();
  const request = { repository, commit: "HEAD", directory: join(parent, "c") };
  const script = `import { checkout } from ${JSON.stringify(join(import.meta.dirname, "checkout.ts"))};
    await checkout(${JSON.stringify(request)});`;
  const { execFile } = await import("node:child_process");
  const { promisify } = await import("node:util");
  const start = () => promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
  await Promise.all([start(), start(), start()]);
  expect(readdirSync(parent)).toEqual(["c", "c.sealed"]);
  expect(readdirSync(request.directory)).toHaveLength(200);
});

test.each<[string, (directory: string) => void]>([
  ["a file was changed", (directory) => writeFileSync(join(directory, "code/run.sh"), "other")],
  [
    "a file was replaced by a link",
    (directory) => {
      rmSync(join(directory, "a.txt"));
      symlinkSync("code/run.sh", join(directory, "a.txt"));
    },
  ],
  ["a file was removed", (directory) => rmSync(join(directory, "a.txt"))],
  [
    "a link was led elsewhere",
    (directory) => {
      rmSync(join(directory, "env"));
      symlinkSync("/", join(directory, "env"));
    },
  ],
])("where %s by somebody who may, nothing starts any more [provenance.checkout-changed]", async (_, write) => {
  const parent = scratchDirectory();
  const used: string[] = [];
  const request = {
    ...{ repository: scratchRepository(), commit: "HEAD", directory: join(parent, "c"), links: { env: tmpdir() } },
    onUse: (directory: string) => used.push(basename(directory)),
  };
  const first = await checkout(request);
  execFileSync("chmod", ["-R", "u+w", first]);
  expect(await checkout(request), "nothing is changed yet").toBe(first);
  const { ino } = statSync(first);
  writeFileSync(join(first, "code/cache"), "");
  expect(await checkout(request), "what is added is not the code").toBe(first);
  write(first);
  expect(await checkout(request)).toBe(`${first}-2`);
  expect(await checkout(request)).toBe(`${first}-2`);
  expect(readFileSync(`${first}-2/code/run.sh`, "utf8")).toBe("echo\n");
  expect(statSync(first).ino, "runs may still be there").toBe(ino);
  expect(used).toEqual(["c", "c", "c", "c", "c-2", "c", "c-2"]);
});

test("a checkout without a seal is not trusted", async () => {
  const parent = scratchDirectory();
  const request = { repository: scratchRepository(), commit: "HEAD", directory: join(parent, "c") };
  rmSync(`${await checkout(request)}.sealed`);
  chmodSync(request.directory, 0o700);
  expect(await checkout(request)).toBe(join(parent, "c-2"));
});

test("a failed checkout leaves nothing, and a committed node_modules is refused", async () => {
  const repository = scratchRepository({ "node_modules/x": "1" });
  const parent = scratchDirectory();
  const request = { repository, commit: "HEAD", directory: join(parent, "c") };
  await expect(checkout({ ...request, links: { node_modules: "/tmp" } })).rejects.toThrow("is committed");
  await expect(checkout({ ...request, commit: "nothing" })).rejects.toMatchObject({ code: "git" });
  expect(readdirSync(parent)).toEqual([]);
});

test("ten thousand files do not take minutes", async () => {
  const files = Array.from({ length: 10_000 }, (_, i): [string, string] => [`d${i % 100}/f${i}`, `content ${i}`]);
  const repository = scratchRepository({ first: "1" });
  writeFiles(repository, Object.fromEntries(files));
  const commit = commitAll(repository);
  const directory = join(scratchDirectory(), "c");
  const start = performance.now();
  await checkout({ repository, commit, directory });
  expect(performance.now() - start).toBeLessThan(110_000);
  expect(lstatSync(join(directory, "d99/f9999")).mode & writable).toBe(0);
  await removeCheckout(directory);
});
