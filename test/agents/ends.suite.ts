import { randomInt } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runsWithArgument } from "../../packages/rigor/src/hosts/processes.ts";
import { canMount, SmallDisk } from "../chaos/mount.ts";
import { entriesOf, isRunning, until, type Place } from "./backend.testing.ts";

/** How a session ends that goes wrong, and what is left of it. */
export function endTests(place: Place): void {
  const { agent } = place;

  test("whose output cannot be read has not finished, also with exit status 0 [session.truth] [F41]", async () => {
    const order = place.order({ wrap: () => ["sh", "-c", "echo this is no protocol; exit 0"] });
    const end = await (await agent.backend().start(order)).ended;
    expect(end).toMatchObject({ outcome: "malformed-stream", evidence: "this is no protocol" });
    expect(await entriesOf(order, "unreadable")).toEqual([{ kind: "unreadable", text: "this is no protocol" }]);
  });

  test("that ends without a word has not finished, also with exit status 0 [session.truth] [F41]", async () => {
    const order = place.order({ wrap: () => ["sh", "-c", "echo disk is on fire >&2; exit 0"] });
    const end = await (await agent.backend().start(order)).ended;
    expect(end.outcome).toBe("failed");
    expect(end.evidence).toContain("status 0");
    expect(end.evidence).toContain("disk is on fire");
    expect(await entriesOf(order, "end")).toMatchObject([{ outcome: "failed" }]);
  });

  test("whose model answers what cannot be read ends as that [session.truth]", async () => {
    place.follow([{ broken: "garbage" }]);
    const end = await (await agent.backend().start(place.order({ limits: { silenceSeconds: 60 } }))).ended;
    expect(["malformed-stream", "overloaded"]).toContain(end.outcome);
    expect(end.evidence).not.toBe("");
  });

  test("whose model breaks off in the middle of its words, each time, ends [session.service]", async () => {
    place.follow([{ broken: "cut" }]);
    const end = await (await agent.backend().start(place.order({ limits: { silenceSeconds: 40 } }))).ended;
    expect(end.outcome).toBe(
      agent.exempt.retries === undefined || end.outcome === "overloaded" ? "overloaded" : "silent",
    );
  });

  test("that is killed says so [session.truth] [F41]", async () => {
    place.follow([{ calls: [{ tool: "append_log", input: { text: "first" } }] }, { silent: true }]);
    const order = place.order();
    const session = await agent.backend().start(order);
    await until("the model is asked again", () => place.model.requests.length > 1);
    process.kill(session.process?.pid ?? 0, "SIGKILL");
    const end = await session.ended;
    expect(end).toMatchObject({ outcome: "killed" });
    expect(end.next).not.toBeNull();
    expect(await entriesOf(order, "end")).toMatchObject([{ outcome: "killed" }]);
  });

  test("ends what its agent has left behind, also what left its group [session.processes] [F38]", async () => {
    const seconds = uniqueSeconds();
    const stray = `setsid sh -c 'echo >begun; exec sleep ${seconds}' >/dev/null 2>&1 </dev/null &`;
    let seen = false;
    place.follow(({ turn }) => {
      if (turn === 0)
        return { calls: [agent.shell(`${stray} while [ ! -e begun ]; do sleep 0.05; done; echo started`)] };
      seen = runsWithArgument(seconds);
      return { text: "Done." };
    });
    const session = await agent.backend().start(place.order());
    expect((await session.ended).outcome).toBe("finished");
    expect(seen || agent.exempt.strays !== undefined).toBe(true);
    expect(runsWithArgument(seconds)).toBe(false);
    expect(isRunning(session.process?.pid ?? 0)).toBe(false);
  });

  test("leaves nothing running when it is stopped while a tool works [session.processes] [session.stop]", async () => {
    const seconds = uniqueSeconds();
    place.follow([{ calls: [agent.shell(`echo begun >begun; sleep ${seconds}`)] }, { text: "Done." }]);
    const session = await agent.backend().start(place.order());
    await until("the tool works", () => runsWithArgument(seconds));
    await session.stop("Enough.");
    expect((await session.ended).outcome).toBe("stopped");
    expect(runsWithArgument(seconds)).toBe(false);
  });

  test("whose process cannot be recorded does not work unwatched [session.processes] [session.disk]", async () => {
    const seconds = uniqueSeconds();
    const order = place.order({ wrap: () => ["sh", "-c", `sleep ${seconds} & sleep ${seconds}`] });
    // Where its record would be written.
    mkdirSync(join(order.directory, "process.json.new"), { recursive: true });
    await expect(agent.backend().start(order)).rejects.toThrow("EISDIR");
    expect(runsWithArgument(seconds)).toBe(false);
  });

  test.skipIf(!canMount())("on a full disk ends as that, and nothing else breaks [session.disk]", async () => {
    const disk = new SmallDisk("60m");
    try {
      place.follow(() => {
        disk.fill();
        return { text: "A long text. ".repeat(20_000), calls: [{ tool: "append_log", input: { text: "full" } }] };
      });
      const order = place.order({ directory: join(disk.path, "session") });
      const end = await (await agent.backend().start(order)).ended;
      expect(end).toMatchObject({ outcome: "disk-full" });
      expect(end.next).toMatch(/space/);
      expect((await entriesOf(order, "end")).map(({ outcome }) => outcome)).toEqual(["disk-full"]);
    } finally {
      disk.remove();
    }
  });

  test.skipIf(!canMount())("whose disk was full only as it died ends as that [session.disk]", async () => {
    const disk = new SmallDisk("1m");
    try {
      const filler = `dd if=/dev/zero of=${disk.path}/filler bs=4096 2>/dev/null`;
      const words = `head -c 100000 /dev/zero | tr "\\0" x`;
      // Its start is on record before it fills the disk.
      const begun = `until [ -e ${disk.path}/session/process.json ]; do sleep 0.02; done`;
      const wrap = () => ["sh", "-c", `${begun}; ${filler}; ${words}; rm ${disk.path}/filler; exit 1`];
      const order = place.order({ directory: join(disk.path, "session"), wrap });
      const end = await (await agent.backend().start(order)).ended;
      expect(end).toMatchObject({ outcome: "disk-full", evidence: expect.stringMatching(/No space left on device/) });
    } finally {
      disk.remove();
    }
  });
}

/** An argument for `sleep` by which its process can be told from all others, also from inside another namespace. */
function uniqueSeconds(): string {
  return `1000.${randomInt(1_000_000_000)}`;
}
