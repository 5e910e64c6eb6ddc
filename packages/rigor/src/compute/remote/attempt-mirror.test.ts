import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LocalShell } from "../../hosts/local-shell.ts";
import type { Answer, ScriptOptions } from "../../hosts/shell.ts";
import { scratchDirectory } from "../../provenance/scratch-repository.testing.ts";
import { AttemptMirror } from "./attempt-mirror.ts";

/** Notes how many lines each script is given. */
class NotingShell extends LocalShell {
  readonly lines: number[] = [];

  override run(script: string, options?: ScriptOptions): Promise<Answer> {
    const input = Buffer.from((options?.input ?? Buffer.alloc(0)) as Uint8Array);
    this.lines.push(input.toString().split("\n").length - 1);
    return super.run(script, options);
  }
}

test("thousands of attempts are cancelled by several calls, so that each ends in time [compute.many-at-once]", async () => {
  const shell = new NotingShell();
  const root = scratchDirectory();
  const mirror = new AttemptMirror(shell, root, scratchDirectory());
  const paths = Array.from({ length: 1_001 }, (_, index) => `aa/attempt-${index}`);
  expect(await mirror.cancel(paths)).toEqual(paths);
  expect(shell.lines).toEqual([1_000, 1]);
  expect(existsSync(join(root, "aa/attempt-1000/withdrawn"))).toBe(true);
}, 300_000);
