import { expect, test } from "vitest";
import { LocalShell } from "./local-shell.ts";
import { runProgram } from "./run-program.ts";

const shell = new LocalShell();

test("a script reads its input, and its output and status are the answer", async () => {
  const answer = await shell.run("cat; printf ' and words' >&2; exit 3", { input: Buffer.from("a\0b") });
  expect(answer).toEqual({ status: 3, stdout: Buffer.from("a\0b"), stderr: " and words" });
});

test("standard error is whole, however late it is read", async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, () =>
      shell.run("echo out; echo an error >&2; head -c 60000 /dev/zero; echo the last >&2"),
    ),
  );
  for (const { stderr } of answers) expect(stderr).toBe("an error\nthe last\n");
});

test("a host that mixes both streams gives an answer, too", async () => {
  const mixed = await runProgram(
    { host: "mixed", command: ["/bin/sh", "-c", 'exec 2>&1; eval "$1"', "sh"], next: "" },
    "echo out; exit 4",
  );
  expect(mixed).toEqual({ status: 4, stdout: Buffer.from("out\n"), stderr: "" });
});

test("what a script leaves running holds up nothing [F18]", async () => {
  const begun = performance.now();
  expect((await shell.run("sleep 100 & echo started")).stdout.toString()).toBe("started\n");
  expect(performance.now() - begun).toBeLessThan(90_000);
});

test("a script that is killed, or takes too long, gives no answer [F11]", async () => {
  await expect(shell.run("echo a part; kill -KILL $$")).rejects.toMatchObject({ code: "unreachable" });
  await expect(shell.run("echo a part; sleep 30", { timeout: 0.5 })).rejects.toThrow("no answer within 0.5 s");
});

test("why there is no answer is told in the host's words alone, without line ends of a terminal [compute.own-words]", async () => {
  const shell = new LocalShell();
  const script = "printf 'the disk is gone\\r\\nread-only\\r\\n' >&2; sleep 30";
  await expect(shell.run(script, { timeout: 1 })).rejects.toThrow(
    /^\S+( \S+)? gave no answer: it gave no answer within 1 s; the disk is gone; read-only$/,
  );
});

test("a shell that is closed waits for nothing, and starts nothing", async () => {
  const closing = new LocalShell();
  const waiting = closing.run("sleep 30").catch((error: unknown) => error);
  await closing.close();
  expect(await waiting).toMatchObject({ code: "unreachable" });
  await expect(closing.run("echo")).rejects.toMatchObject({ code: "unreachable" });
});

test("input that nobody reads, and much output, do no harm [F18]", async () => {
  const input = Buffer.alloc(5_000_000, "x");
  expect((await shell.run("exit 0", { input })).status).toBe(0);
  expect((await shell.run("cat", { input })).stdout.equals(input)).toBe(true);
});
