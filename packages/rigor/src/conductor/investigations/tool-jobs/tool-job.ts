import { appendFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Forward } from "../../../agents/tool-servers/forward.ts";
import { announcement, Keeper, type Announcement } from "../../../agents/tool-servers/keeper.ts";
import { lastOutput, lookAt, notReady } from "../../../agents/tool-servers/readiness.ts";
import { StoppedError } from "../../../agents/tool-servers/tool-server.ts";
import type { Lab } from "../../../bench/lab/lab.ts";
import type { Lane } from "../../../bench/lab/lane.ts";
import { LookPace } from "../../../bench/lab/look-pace.ts";
import type { JobStatus, Offsets } from "../../../compute/executor.ts";
import type { RigorError } from "../../../domain/errors.ts";
import type { ToolJobRecord } from "../../../domain/investigations/records.ts";
import { InvestigationDirectory } from "../directory.ts";
import { endOf, handleOf, isOver, vacate } from "./job-end.ts";
import { JobSearch, type Placed, type Say, type ToolOrder } from "./job-search.ts";
import type { JobSecret } from "./job-secret.ts";
import { spanOf } from "./patience.ts";

/** Milliseconds between two looks at a job of a machine; a cluster is looked at like for a run. */
const pauseMs = { starting: 500, ready: 3_000 };
/** Milliseconds between two signs to the server that it is wanted, and how many of them may be lost. */
const signEveryMs = 20_000;
const signsInTime = 6;

/** Where a server that speaks on its input and output is found at its keeper. */
const bridged = { path: "/mcp", health: "/health", ready_seconds: 300 };

/**
 * A tool server that is a job of a compute. It outlives the daemon: the next one finds it, as long as it comes back
 * before the server takes itself for forgotten.
 */
export class ToolJob {
  readonly #lab: Lab;
  readonly #order: ToolOrder;
  readonly #directory: InvestigationDirectory;
  readonly #say: Say;
  readonly #leaving = new AbortController();
  readonly #lane: Lane;
  readonly #record: ToolJobRecord;
  readonly #secret: JobSecret;
  #offsets: Offsets = { stdout: 0, stderr: 0, metrics: 0 };
  #lines = "";
  #announced: Announcement[] = [];
  #keeper: Keeper | null = null;
  #forward: Forward | null = null;
  #heardAt = performance.now();
  #looking: Promise<unknown> = Promise.resolve();
  readonly #clusterPace = new LookPace("cluster");
  #lastState = "";

  private constructor(lab: Lab, order: ToolOrder, say: Say, placed: Placed) {
    this.#lab = lab;
    this.#order = order;
    this.#say = say;
    this.#directory = new InvestigationDirectory(order.investigation.directory);
    this.#lane = placed.lane;
    this.#record = placed.record;
    this.#secret = placed.secret;
    // What was collected by an earlier daemon is collected again.
    writeFileSync(this.#secret.log, "", { mode: 0o600 });
  }

  /**
   * Finds the job of a server, or makes one, and waits until the server can be used.
   *
   * @param say told what is waited for
   * @throws RigorError where it cannot be used; its job may be there all the same
   */
  static async start(
    lab: Lab,
    order: ToolOrder,
    say: Say,
    signal: AbortSignal,
  ): Promise<ToolJob & { readonly tools: string[] }> {
    const search = new JobSearch(lab, order, say, signal);
    const job = new ToolJob(lab, order, say, (await search.present()) ?? (await search.place()));
    try {
      const tools = await job.#untilReady(search, signal);
      return Object.assign(job, { tools });
    } catch (error) {
      job.leave();
      throw error;
    }
  }

  get url(): string {
    const { path } = this.#order.server.http ?? bridged;
    return `http://127.0.0.1:${this.#forward?.port}${path}`;
  }

  get token(): string {
    return this.#secret.token;
  }

  /** Lets go of it; the job goes on. */
  leave(): void {
    this.#leaving.abort();
    this.#forward?.close();
  }

  async #untilReady(search: JobSearch, signal: AbortSignal): Promise<string[]> {
    const { name, server, compute } = this.#order;
    const limit = (server.http ?? bridged).ready_seconds;
    let announcedAt: number | null = null;
    let why = "";
    for (;;) {
      if (signal.aborted) throw new StoppedError();
      const status = await search.patiently(() => this.#look());
      if (isOver(status)) throw await this.#neverReady(status);
      if (status?.state === "unclaimed") {
        this.#say(`${name} is handed over to ${compute}`);
        await search.submit(this.#lane, this.#record, this.#secret);
      }
      if (status?.state === "unsubmitted") this.#say(`${name} on ${compute} is ${status.reason}`);
      if (status?.state === "waiting") this.#say(`${name} is queued on ${compute}${whyQueued(status)}`);
      if (status?.state === "running") {
        this.#say(`${name} gets ready on ${compute}`);
        if (this.#announced.length > 0) {
          announcedAt ??= performance.now();
          const looked = await this.#tryIt();
          if (Array.isArray(looked)) return looked;
          why = looked;
        }
      }
      if (announcedAt !== null && performance.now() - announcedAt > limit * 1_000) {
        throw notReady(
          name,
          `It was not ready after ${limit} s on ${compute}. ${why}${this.#lastOutput()}`,
          this.#secret.log,
        );
      }
      await this.#pause(pauseMs.starting, signal);
    }
  }

  async #neverReady(status: Parameters<typeof endOf>[0]): Promise<RigorError> {
    const end = endOf(status);
    await vacate(this.#lab, this.#record, end);
    const { name, compute } = this.#order;
    return notReady(name, `On ${compute}: ${end}${this.#lastOutput()}`, this.#secret.log);
  }

  /** Names of its tools, or why it cannot be used yet. */
  async #tryIt(): Promise<string[] | string> {
    const { token } = this.#secret;
    try {
      this.#keeper ??= await Keeper.find(this.#lane.dial, this.#newest, token, this.#order.mostBytes);
      const { artifacts } = this.#directory;
      const { driving } = this.#lab;
      this.#forward ??= await Forward.open({
        keeper: this.#keeper,
        token,
        artifacts,
        isOurs: () => driving.isSafe,
        say: (line) => this.#note(line),
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return `It runs on ${this.#newest.host}, and could not be reached there: ${reason}.`;
    }
    const { health } = this.#order.server.http ?? bridged;
    const base = `http://127.0.0.1:${this.#forward.port}`;
    return lookAt({ url: this.url, health: health === null ? null : `${base}${health}`, token });
  }

  get #newest(): Announcement {
    const newest = this.#announced.at(-1);
    if (newest === undefined) throw new Error("the server has not said where it is");
    return newest;
  }

  async #pause(machineMs: number, signal: AbortSignal): Promise<void> {
    const pause = this.#lane.isPlaced ? machineMs : this.#clusterPace.pauseMs;
    await sleep(pause, undefined, { signal }).catch(() => undefined);
  }

  /** Asks what became of the job, and takes down what it has printed: one after the other, so that nothing is taken twice. */
  #look(): Promise<JobStatus | undefined> {
    const look = this.#looking.then(() => this.#lookOnce());
    this.#looking = look.catch(() => undefined);
    return look;
  }

  async #lookOnce(): Promise<JobStatus | undefined> {
    const { executor } = this.#lane;
    const handle = handleOf(this.#record);
    const status = (await executor.status([handle])).get(handle.attempt);
    this.#keepPace(status);
    const found = (await executor.collect([{ handle, offsets: this.#offsets }])).get(handle.attempt);
    if (found === undefined) return status;
    this.#offsets = found.offsets;
    appendFileSync(this.#secret.log, found.stdout);
    appendFileSync(this.#secret.log, found.stderr);
    this.#readAnnouncements(Buffer.from(found.stdout).toString("utf8"));
    return status;
  }

  #keepPace(status: JobStatus | undefined): void {
    const state = status === undefined ? "" : `${status.state} ${"reason" in status ? status.reason : ""}`;
    if (state !== this.#lastState) this.#clusterPace.stir();
    this.#lastState = state;
    this.#clusterPace.looked();
  }

  #readAnnouncements(text: string): void {
    const lines = (this.#lines + text).split("\n");
    this.#lines = (lines.pop() ?? "").slice(-10_000);
    for (const line of lines) {
      if (!line.startsWith(`${this.#secret.announce} `)) continue;
      this.#announced.push(announcement.parse(JSON.parse(line.slice(this.#secret.announce.length))));
    }
  }

  /** What the server itself printed last. */
  #lastOutput(): string {
    return lastOutput(this.#secret.log, [this.#secret.announce, "rigor: an answer", "rigor: the tool server"]);
  }

  #note(line: string): void {
    appendFileSync(this.#secret.log, `rigor: ${line}\n`);
  }

  /** What says that it cannot be used any more; it never comes where somebody has left it before. */
  async lost(): Promise<string> {
    this.#heardAt = performance.now();
    const { signal } = this.#leaving;
    const everyMs = Math.min(signEveryMs, this.#order.patience.lostMs / signsInTime);
    for (let signedAt = performance.now(); ;) {
      await this.#pause(pauseMs.ready, signal);
      if (signal.aborted) return new Promise(() => undefined);
      const why = await this.whyLost();
      if (why !== null) return why;
      if (performance.now() - signedAt < everyMs) continue;
      signedAt = performance.now();
      await this.#sign();
    }
  }

  /** Says that it is wanted, if that is certain: others free what a server holds that seems to have no daemon. */
  async #sign(): Promise<void> {
    if (!this.#lab.driving.isSafe) {
      // That is no silence of the server.
      this.#heardAt = performance.now();
      return;
    }
    await this.#keeper?.stayAlive().then(
      () => (this.#heardAt = performance.now()),
      (error: unknown) => this.#note(`no answer: ${error instanceof Error ? error.message : String(error)}`),
    );
  }

  /** What says that it cannot be used any more, if that is known or can be seen now. */
  async whyLost(): Promise<string | null> {
    const { compute, patience } = this.#order;
    try {
      const status = await this.#look();
      if (isOver(status)) {
        await vacate(this.#lab, this.#record, endOf(status));
        return `${endOf(status)}${this.#lastOutput()}`;
      }
      if (this.#announced.length > 1) {
        return `The scheduler of ${compute} ended its job and started it anew. What the server held in memory is gone.`;
      }
    } catch (error) {
      this.#note(`${compute} could not be asked: ${error instanceof Error ? error.message : String(error)}`);
    }
    if (performance.now() - this.#heardAt < patience.lostMs) return null;
    return (
      `${compute} has not been reached for ${spanOf(patience.lostMs / 1_000)}. The job there is ended when it can be reached, and ` +
      "by itself when it was left alone for long. See: rigor compute check"
    );
  }
}

function whyQueued({ reason, held }: Extract<JobStatus, { state: "waiting" }>): string {
  const why = reason === null || reason === undefined ? "" : ` (${reason})`;
  return held === true ? `${why}, and held until a person lets it go on` : why;
}
