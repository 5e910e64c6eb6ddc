import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { killIfThere } from "../chaos/processes.ts";

test.skipIf(process.platform !== "linux")(
  "what a test has started ends with the test run, however that ends",
  async () => {
    const directories = [mkdtempSync(join(tmpdir(), "rigor-left-")), mkdtempSync(join(tmpdir(), "rigor-left-"))];
    const code = `import { endWithTests } from ${JSON.stringify(join(import.meta.dirname, "left-behind.ts"))};
    import { spawn } from "node:child_process";
    for (const directory of ${JSON.stringify(directories)}) endWithTests(directory);
    const start = (cwd) => spawn("sleep", ["600"], { cwd, detached: true, stdio: "ignore" }).pid;
    console.log(start(${JSON.stringify(directories[0])}), start("/"));
    setInterval(() => undefined, 1_000);`;
    const tests = spawn(process.execPath, ["--input-type=module", "--eval", code], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = (await once(tests.stdout, "data")) as [Buffer];
    const [started = 0, other = 0] = said.toString().split(" ").map(Number);
    onTestFinished(() => [started, other].forEach((pid) => void killIfThere(pid)));
    tests.kill("SIGKILL");
    await expect.poll(() => directories.some((path) => existsSync(path))).toBe(false);
    await expect.poll(() => isAlive(started)).toBe(false);
    expect(isAlive(other)).toBe(true);
  },
);
