import { RigorError } from "../../../domain/errors.ts";
import { noUsage, type SessionOutcome } from "../../transcripts/entry.ts";
import { readTranscript, usageIn } from "../../transcripts/transcript.ts";
import type { Backend, BackendProbe, RunningSession, SessionEnd, SessionOrder } from "../backend.ts";
import { SessionDirectory } from "../session-directory.ts";
import { lastProcess, transcriptOf } from "../settle.ts";

/**
 * A person who does a role's work. Nothing is started, and nothing limits it: the session ends when the work is handed
 * in, or when it is stopped.
 */
export class Human implements Backend {
  readonly name = "human";
  readonly #running = new Map<string, (outcome: SessionOutcome, evidence: string) => Promise<void>>();

  async probe(): Promise<BackendProbe> {
    return { usable: true, version: null, problem: null, remedy: null };
  }

  async start(order: SessionOrder): Promise<RunningSession> {
    new SessionDirectory(order.directory).make();
    const transcript = transcriptOf(order);
    const records = await readTranscript(transcript.path);
    const source: [number, number] = [lastProcess(records) + 1, 0];
    const resumed = records.length > 0;
    await transcript.append([
      { entry: { kind: "start", backend: this.name, version: null, resumed }, source },
      { entry: { kind: "brief", text: order.brief }, source },
    ]);
    const before = usageIn(records);
    const begun = performance.now();
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    const end = async (outcome: SessionOutcome, why: string) => {
      if (!this.#running.delete(order.id)) return;
      const usage = { ...noUsage, seconds: before.seconds + (performance.now() - begun) / 1000 };
      const evidence = transcript.text(why);
      const entries = [
        { kind: "usage", usage },
        { kind: "end", outcome, evidence, next: null },
      ] as const;
      await transcript.append(entries.map((entry) => ({ entry, source: null })));
      resolve({ outcome, evidence, next: null, usage, refused: [] });
    };
    this.#running.set(order.id, end);
    return { process: null, ended: promise, stop: async (reason) => await end("stopped", reason) };
  }

  /**
   * The person has handed in the session's work.
   *
   * @throws RigorError `not-found` when no such session waits for a person
   */
  async handIn(session: string, evidence: string): Promise<void> {
    const end = this.#running.get(session);
    if (end === undefined) throw new RigorError("not-found", `No session ${session} waits for a person.`);
    await end("finished", evidence);
  }

  /** A person's session is not ended by the end of a daemon: the next one starts it again. */
  async settle(): Promise<SessionEnd | null> {
    return null;
  }
}
