import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { commandLine, readErrors, readFrame } from "./framing.ts";

const mark = "0123456789abcdef0123456789abcdef";

test("any script reaches the shell as it is, in one line of harmless characters", () => {
  const text = fc.string({ unit: "binary" }).filter((value) => !value.includes("\0") && value.isWellFormed());
  fc.assert(
    fc.property(text, (value) => {
      const line = commandLine(`printf '%s' '${value.replaceAll("'", `'\\''`)}'`, mark);
      expect(line).toMatch(/^[\x20-\x7e]*$/);
      const answer = readFrame(execFileSync("/bin/sh", ["-c", line], { stdio: "pipe" }), mark);
      expect(answer?.stdout.toString("utf8")).toBe(value);
    }),
    { numRuns: 50 },
  );
});

test("what a login says before and after belongs to no answer", () => {
  const output = Buffer.from(`Welcome!\n\n${mark} begin\nthe answer\n${mark} end 7\nGood bye\n`);
  expect(readFrame(output, mark)).toEqual({ status: 7, stdout: Buffer.from("the answer") });
});

test("an answer that is cut off anywhere is none [F11]", () => {
  const whole = Buffer.from(`\n${mark} begin\nthe answer\n${mark} end 0\n`);
  for (let length = 0; length < whole.length; length++) expect(readFrame(whole.subarray(0, length), mark)).toBeNull();
  expect(readFrame(whole, mark)).not.toBeNull();
});

test("of standard error, what the login says is left out, and what is known is kept", () => {
  const errors = `motd\n\n${mark}-errors begin\nsbatch: error\n\n${mark}-errors end 1\nbye\n`;
  expect(readErrors(errors, mark)).toBe("sbatch: error\n");
  expect(readErrors("ssh: no route\n", mark)).toBe("ssh: no route\n");
  expect(readErrors(errors.slice(0, 58), mark)).toBe("sbatch");
});
