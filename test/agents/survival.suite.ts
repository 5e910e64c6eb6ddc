import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { SessionOrder } from "../../packages/rigor/src/agents/backends/backend.ts";
import { SessionDirectory } from "../../packages/rigor/src/agents/backends/session-directory.ts";
import { endOrphans } from "../../packages/rigor/src/agents/backends/settle.ts";
import { readTranscript } from "../../packages/rigor/src/agents/transcripts/transcript.ts";
import { entriesOf, isRunning, until, type Place, testUnless } from "./backend.testing.ts";

/** Sessions whose daemon dies while they run. */
export function survivalTests(place: Place): void {
  const { agent } = place;

  /** Starts a session in a daemon's stead; `die` kills that, and leaves the agent alone. */
  async function startElsewhere(order: SessionOrder): Promise<{ pid: number; die: () => Promise<void> }> {
    const path = join(place.root, "order.json");
    writeFileSync(path, JSON.stringify(order));
    const script = join(import.meta.dirname, "follower.testing.ts");
    const follower = spawn(process.execPath, [script, agent.name, path], { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void follower.kill("SIGKILL"));
    const [line] = (await once(follower.stdout, "data")) as [Buffer];
    const die = async () => {
      follower.kill("SIGKILL");
      await once(follower, "exit");
    };
    return { pid: Number(line.toString()), die };
  }

  testUnless(agent.exempt.survival)(
    "finishes without its daemon, and the next one takes in what it did, once [session.survives] [session.usage] [F18] [F41]",
    async () => {
      let answer = () => {};
      const answered = new Promise<void>((resolve) => (answer = resolve));
      place.follow(async ({ turn }) => {
        if (turn === 0) return { text: "First.", calls: [{ tool: "append_log", input: { text: "first" } }] };
        await answered;
        return { text: "Then I am done." };
      });
      const order = place.order();
      const begun = performance.now();
      const { pid, die } = await startElsewhere(order);
      await until("the model is asked again", () => place.model.requests.length > 1);
      const transcript = join(order.directory, "transcript.jsonl");
      await until(
        "the first words are told",
        () => existsSync(transcript) && readFileSync(transcript, "utf8").includes("First."),
      );
      await die();
      const watched = (performance.now() - begun) / 1_000;
      expect(isRunning(pid)).toBe(true);
      answer();
      await until("the agent has ended by itself", () => !isRunning(pid));
      // The clock jumps by a day meanwhile.
      const tomorrow = new Date(Date.now() + 86_400_000);
      utimesSync(new SessionDirectory(order.directory).output(1), tomorrow, tomorrow);

      const end = await agent.backend().settle(order);
      expect(end?.usage.seconds).toBeGreaterThan(0);
      expect(end?.usage.seconds).toBeLessThanOrEqual(watched);
      expect(end).toMatchObject({ outcome: "finished", usage: { turns: 2, inputTokens: 200, outputTokens: 20 } });
      expect((await entriesOf(order, "text")).map(({ text }) => text)).toEqual(["First.", "Then I am done."]);
      expect(await entriesOf(order, "tool-call")).toHaveLength(1);
      expect(await entriesOf(order, "end")).toHaveLength(1);
    },
  );

  test("without its daemon is ended by the next one, and can go on [session.orphans] [session.resume]", async () => {
    place.follow([{ text: "First.", calls: [{ tool: "append_log", input: { text: "first" } }] }, { silent: true }]);
    const order = place.order();
    const { pid, die } = await startElsewhere(order);
    await until("the model is asked again", () => place.model.requests.length > 1);
    await die();

    await endOrphans(dirname(order.directory));
    expect(isRunning(pid)).toBe(false);
    expect(await agent.backend().settle(order)).toBeNull();
    place.follow([{ text: "Done." }]);
    const resumed = await agent.backend().start({ ...order, resume: true });
    expect(await resumed.ended).toMatchObject({ outcome: "finished", usage: { turns: 2 } });
    expect((await entriesOf(order, "text")).map(({ text }) => text)).toEqual(["First.", "Done."]);
    const sources = (await readTranscript(join(order.directory, "transcript.jsonl"))).map(({ source }) => source?.[0]);
    expect(new Set(sources.filter((one) => one !== undefined))).toEqual(new Set([1, 2]));
  });

  test("is never taken for another process that has its number [session.orphans] [F38]", async () => {
    const stranger = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
    onTestFinished(() => void stranger.kill("SIGKILL"));
    const order = place.order();
    await (
      await agent.backend().start(order)
    ).ended;
    mkdirSync(order.directory, { recursive: true });
    const record = { host: "here", pid: stranger.pid, started: "1", boot: bootId() };
    writeFileSync(join(order.directory, "process.json"), JSON.stringify(record));
    expect(await endOrphans(dirname(order.directory))).toEqual([]);
    expect(isRunning(stranger.pid ?? 0)).toBe(true);
  });
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
