import { setTimeout as sleep } from "node:timers/promises";
import type { Writable } from "node:stream";
import { isFull } from "../../hosts/system-errors.ts";
import type { Usage } from "../transcripts/entry.ts";
import { readTranscript, usageIn } from "../transcripts/transcript.ts";
import { Account, lastWords, type AgentReader } from "./account.ts";
import { AgentProcess, endRemains, type Exit } from "./agent-process.ts";
import type { BackendName, HangingCall, RunningSession, SessionEnd, SessionOrder } from "./backend.ts";
import { fullDiskIn, SessionDisk } from "./disk.ts";
import { SessionDirectory } from "./session-directory.ts";
import { lastProcess, settleSession, transcriptOf } from "./settle.ts";
import { SessionSize } from "./size.ts";
import { nextFor, type Verdict } from "./verdict.ts";
import { SessionWatch } from "./watch.ts";
import { WatchedTime } from "./watched-time.ts";

/** Milliseconds between two looks at the output. */
const pause = 100;

/** Milliseconds between two notes of how long a session was watched: so much is forgotten when its daemon is killed. */
const noteEvery = 1_000;

/** Milliseconds in which an agent ends by itself after it has said that it is done. */
const farewell = 5_000;

/** One process of an agent, ready to be started. */
export interface AgentProgram {
  backend: BackendName;
  version: string | null;
  command: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** What the agent is told. It is given on standard input, unless `converse` is there. */
  prompt: string;
  resumed: boolean;
  /** A reader of the output of a process that was started at a time, in milliseconds of the epoch. */
  makeReader: (started: number) => AgentReader;
  /** Speaks with the agent over its standard input. */
  converse?: (input: Writable) => void;
  /** What a person can do when its credentials are refused. */
  credentialsHelp: string;
}

/** Starts a process of a session, and follows it until it has ended. */
export async function startSession(order: SessionOrder, program: AgentProgram): Promise<RunningSession> {
  await settleSession(order, program);
  const directory = new SessionDirectory(order.directory);
  const transcript = transcriptOf(order);
  const records = await readTranscript(transcript.path);
  const number = lastProcess(records) + 1;
  const { prompt, backend, version, resumed } = program;
  await transcript.append([
    { entry: { kind: "start", backend, version, resumed }, source: [number, 0] },
    { entry: { kind: "brief", text: prompt }, source: [number, 0] },
  ]);
  directory.write(directory.prompt, prompt);
  const reader = program.makeReader(Date.now());
  const process = await AgentProcess.start(
    order.wrap(program.command),
    { workspace: order.workspace, directory: order.directory, environment: program.environment },
    {
      input: program.converse === undefined ? directory.prompt : null,
      output: directory.output(number),
      errors: directory.errors(number),
    },
  );
  try {
    directory.recordProcess(process.record);
  } catch (error) {
    // Nobody would know of it.
    await process.end();
    throw error;
  }
  if (process.input !== null) program.converse?.(process.input);
  const account = new Account({ directory, transcript, number, reader, told: 0 });
  const time = new WatchedTime();
  const watch = new SessionWatch(order.limits, usageIn(records), time.now());
  const { credentialsHelp } = program;
  const { onHang = () => undefined, onUsage = () => undefined } = order;
  const size = new SessionSize([order.directory, ...order.folders], order.limits.bytes);
  return new ProcessSession({
    directory,
    number,
    process,
    account,
    watch,
    size,
    time,
    onHang,
    onUsage,
    credentialsHelp,
  });
}

interface Parts {
  directory: SessionDirectory;
  number: number;
  process: AgentProcess;
  account: Account;
  watch: SessionWatch;
  size: SessionSize;
  time: WatchedTime;
  onHang: (call: HangingCall) => void;
  onUsage: (usage: Usage) => void;
  credentialsHelp: string;
}

class ProcessSession implements RunningSession {
  readonly ended: Promise<SessionEnd>;
  readonly #parts: Parts;
  #turns = 0;
  #notedAt = -noteEvery;
  #stopReason: string | null = null;
  readonly #disk: SessionDisk;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#disk = new SessionDisk(parts.directory.path);
    this.ended = this.#follow();
  }

  get process() {
    return this.#parts.process.record;
  }

  async stop(reason: string): Promise<void> {
    this.#stopReason ??= reason;
    await this.ended;
  }

  async #follow(): Promise<SessionEnd> {
    const { process, directory } = this.#parts;
    const { exit, decided } = await this.#untilEnd();
    await endRemains(process.record, directory.path);
    await this.#takeIn(true);
    return await this.#conclude(await this.#verdict(exit, decided));
  }

  /** Until the process has ended by itself or by our decision. */
  async #untilEnd(): Promise<{ exit: Exit; decided: Verdict | null }> {
    const { process, account } = this.#parts;
    let done: number | null = null;
    for (;;) {
      const exit = await Promise.race([process.exited, sleep(pause, null)]);
      await this.#takeIn();
      if (exit !== null) return { exit, decided: null };
      if (account.reader.verdict() === null) {
        const decided = this.#decide();
        if (decided === null) continue;
        await process.end();
        return { exit: await process.exited, decided };
      }
      if (done === null) process.input?.end();
      done ??= performance.now();
      if (performance.now() - done < farewell) continue;
      await process.end();
      return { exit: await process.exited, decided: null };
    }
  }

  /** Why the session must end now; null while it may go on. */
  #decide(): Verdict | null {
    const { account, size, time, watch } = this.#parts;
    const problem = account.reader.problem();
    if (problem !== null) return problem;
    if (account.full !== null) return { outcome: "disk-full", evidence: account.full };
    if (this.#stopReason !== null) return { outcome: "stopped", evidence: this.#stopReason };
    const now = time.now();
    size.look(now);
    return this.#disk.problem(now) ?? size.problem() ?? watch.verdict(now);
  }

  async #takeIn(isOver = false): Promise<void> {
    const { account, onHang, onUsage, time, watch } = this.#parts;
    const before = account.lines;
    const { entries, progress } = await account.takeIn(isOver);
    const now = time.now();
    await this.#disk.look(account.lines > before && account.rest === "", now);
    watch.hear(entries, progress, now);
    for (const call of watch.hanging(now)) onHang(call);
    const used = account.reader.used();
    watch.spend(used);
    if (used.turns > this.#turns) {
      const usage = watch.usage(now);
      await account.add({ kind: "usage", usage });
      onUsage(usage);
    }
    this.#turns = used.turns;
    this.#note(now);
  }

  /** For the next daemon: nobody else knows how long the session was watched. A full disk ends it in other ways. */
  #note(now: number): void {
    const { directory, number, watch } = this.#parts;
    if (now - this.#notedAt < noteEvery) return;
    this.#notedAt = now;
    try {
      directory.noteWatched(number, watch.usage(now).seconds);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }

  /** What the end was: the agent's own word counts, but nothing counts as finished that did not say so. */
  async #verdict({ code, signal }: Exit, decided: Verdict | null): Promise<Verdict> {
    const { account } = this.#parts;
    const own = account.reader.verdict();
    const problem = account.reader.problem();
    if (problem !== null) return problem;
    if (own?.outcome === "finished" && decided?.outcome !== "disk-full") return own;
    if (decided !== null) return decided;
    const errors = await account.lastErrors();
    const full = account.full ?? fullDiskIn(own?.evidence ?? errors.join("\n"));
    if (full !== null) return { outcome: "disk-full", evidence: full };
    if (own !== null) return own;
    const cause = this.#disk.cause();
    if (cause !== null) return cause;
    const killed = signal !== null || killedStatus.has(code ?? 0);
    const unreadable = account.unreadable();
    if (!killed && unreadable !== null) return { outcome: "malformed-stream", evidence: unreadable };
    const ended = signal === null ? `It ended with status ${code}` : `Signal ${signal} ended it`;
    const said = lastWords(errors);
    const evidence = `${ended}, and did not say that it is done${said === "" ? "." : `: ${said}`}`;
    return { outcome: killed ? "killed" : "failed", evidence };
  }

  async #conclude(verdict: Verdict): Promise<SessionEnd> {
    const { account, credentialsHelp, time, watch } = this.#parts;
    const usage = watch.usage(time.now());
    return await account.conclude(verdict, usage, nextFor(verdict.outcome, credentialsHelp));
  }
}

/** A sandbox or a shell tells a signal by 128 more: ABRT, KILL, SEGV, TERM. */
const killedStatus = new Set([134, 137, 139, 143]);
