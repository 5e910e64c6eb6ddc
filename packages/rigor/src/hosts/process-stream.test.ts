import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { streamOf } from "./process-stream.ts";

const start = (command: string) => spawn("sh", ["-c", command], { stdio: ["pipe", "pipe", "pipe"] });

test("what a process wrote before it ended is read whole, however slowly and although it took nothing more", async () => {
  const connection = streamOf(start("head -c 3000000 /dev/zero"));
  connection.write("a question\n");
  let read = 0;
  for await (const piece of connection) {
    read += (piece as Buffer).length;
    connection.write("another one\n");
    await sleep(1);
  }
  expect(read).toBe(3_000_000);
});

test("both directions work, and the end of one is told to the process", async () => {
  const connection = streamOf(start("tr a-z A-Z"));
  connection.write("one ");
  connection.end("two");
  expect(await text(connection)).toBe("ONE TWO");
});

test("a connection that is given up closes both sides", async () => {
  const child = start("cat");
  const connection = streamOf(child);
  connection.destroy();
  await once(child, "close");
  expect(child.exitCode).toBe(0);
});
