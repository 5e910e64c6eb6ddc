import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AttemptDirectory } from "../attempt/attempt-directory.ts";
import { parseMetrics } from "../collect.ts";
import { fromTheStart, makeJob, type ExecutorPlace } from "./executor.testing.ts";

/** What reaches a job, and what comes back from it. */
export function outputTests(place: ExecutorPlace): void {
  test("output larger than 10 MB neither blocks the job nor is lost [F18] [job.logs-whole]", async () => {
    const handle = await place.submit("head -c 12582912 /dev/zero");
    const { exit } = await place.until(handle, "ended");
    expect(exit.code).toBe(0);
    let size = 0;
    for (let offsets = fromTheStart; ;) {
      const found = (await place.executor.collect([{ handle, offsets }], 1_000_000)).get(handle.attempt);
      if (found === undefined || found.stdout.length === 0) break;
      expect(found.stdout.length).toBeLessThanOrEqual(1_000_000);
      size += found.stdout.length;
      ({ offsets } = found);
    }
    expect(size).toBe(12 * 1024 * 1024);
  });

  test("binary output arrives byte by byte [job.logs-whole]", async () => {
    const bytes = Array.from({ length: 256 }, (_, index) => index);
    const escapes = bytes.map((byte) => `\\${byte.toString(8).padStart(3, "0")}`);
    const handle = await place.submit(["printf", escapes.join("")]);
    await place.until(handle, "ended");
    expect([...(await place.outputOf(handle)).stdout]).toEqual(bytes);
  });

  test("logs and metrics are collected while the job runs [job.logs-whole]", async () => {
    const handle = await place.submit(
      `echo one; echo '{"step":1,"loss":0.5}' >"$RIGOR_OUTPUT/metrics.jsonl"; printf '{"st' >>"$RIGOR_OUTPUT/metrics.jsonl"; echo up >"$RIGOR_OUTPUT/up"; sleep 200`,
    );
    await place.untilExists(join(place.directoryOf(handle).output, "up"));
    await place.until(handle, "running");
    const first = await place.outputOf(handle);
    expect(first.text).toBe("one\n");
    expect(parseMetrics(first.metrics, 0).points).toMatchObject([{ step: 1, name: "loss", value: 0.5 }]);
    expect(first.offsets.metrics).toBe(first.metrics.length);
    await place.executor.cancel([handle]);
    expect(await place.settled(handle)).toMatchObject(place.cancelled());
  });

  test("arguments, variables and parameters reach the command unchanged [file.arguments-exact]", async () => {
    const strange = [
      "a b",
      "it's",
      '"q"',
      "$HOME",
      "`id`",
      "line\nbreak",
      "\ttab",
      "*",
      "",
      "\\",
      "é 漢 🎲",
      "-n",
      "!x",
      "\r",
      "a\\nb",
    ];
    const script = `printf '%s\\0' "$@" "$STRANGE" "$RIGOR_ATTEMPT" "$RIGOR_RUN_ID" "$PWD"; cat "$RIGOR_PARAMETERS"`;
    const directory = join(place.folder, "it's a $place\n");
    mkdirSync(directory);
    const handle = await place.submit(["sh", "-c", script, "sh", ...strange], {
      environment: { STRANGE: strange.join("") },
      parameters: { strange },
      working_directory: directory,
    });
    await place.until(handle, "ended");
    const words = (await place.outputOf(handle)).text.split("\0");
    expect(JSON.parse(words.pop() ?? "")).toEqual({ strange });
    expect(words).toEqual([...strange, strange.join(""), handle.attempt, handle.run, directory]);
  });

  test("a NUL character is refused before anything is started [file.arguments-exact]", async () => {
    await expect(place.submit(["echo", "a\0b"])).rejects.toMatchObject({ code: "file-invalid" });
  });

  test("a job has nothing on its standard input", async () => {
    const handle = await place.submit(["cat"]);
    expect((await place.until(handle, "ended")).exit.code).toBe(0);
  });

  test("a secret reaches the command exactly, and stays in no file of the attempt [job.secrets]", async () => {
    const secret = "tok'en $HOME \n é";
    const job = makeJob(place.folder, `printf %s "$TOKEN" | wc -c >"$RIGOR_OUTPUT/length"`, {
      secrets: { TOKEN: secret },
    });
    const [handle] = await place.executor.submit([job]);
    if (handle === undefined) throw new Error("no handle");
    await place.until(handle, "ended");
    const directory = place.directoryOf(handle);
    const copy = AttemptDirectory.in(place.data, job.run, job.attempt);
    expect(Number(readFileSync(join(directory.output, "length"), "utf8"))).toBe(Buffer.byteLength(secret));
    for (const { path } of [directory, copy]) {
      const files = readdirSync(path, { withFileTypes: true }).filter((file) => file.isFile());
      expect(files.length).toBeGreaterThan(0);
      for (const { name } of files) expect(readFileSync(join(path, name), "utf8"), name).not.toContain("tok'");
    }
  });
}
