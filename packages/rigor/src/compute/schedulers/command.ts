import { RigorError } from "../../domain/errors.ts";
import type { CommandCompute } from "../../domain/files/compute-schema.ts";
import type { Answer, HostShell } from "../../hosts/shell.ts";
import { batchScript, checkScript, jobsScript, notesScript, submissionScript } from "./command-script.ts";
import { compareReports, portions } from "./members.ts";
import {
  type AskedBatch,
  type Batch,
  type JobReport,
  type Member,
  memberKey,
  type Scheduler,
  type SchedulerFacts,
} from "./scheduler.ts";

/** Jobs in one question, so that their ids fit into a variable. */
const portion = 500;

/** Seconds until an answer is given up. */
const patience = 120;

type CommandName = "submit" | "status" | "cancel";

/**
 * A scheduler that is described by three commands. It cannot be asked for a name, so what `submit` printed is noted on
 * the host before anybody learns of it; without a note, a batch counts as never submitted. Calls of a method: `submit`
 * one; `report` one for each 500 jobs; `cancel` one or two for each 500, and one more where a job resisted. What is noted
 * is read in one more, while an id is not known.
 */
export class CommandScheduler implements Scheduler {
  readonly kind = "command";
  readonly #shell: HostShell;
  readonly #options: CommandCompute;
  readonly #pattern: RegExp;
  /** By the name of a batch: what was learnt here, which is asked about when nobody else knows it. */
  readonly #ids = new Map<string, string>();

  /** @throws RigorError `file-invalid` for a pattern that is none. */
  constructor(shell: HostShell, options: CommandCompute) {
    this.#shell = shell;
    this.#options = options;
    this.#pattern = patternOf(options.id);
  }

  async probe(): Promise<SchedulerFacts> {
    const answer = await this.#shell.run(checkScript(this.#options), { timeout: patience });
    const problems = textOf(answer).split("\n");
    return { version: "described by commands", array_limit: 1, problems: problems.filter((line) => line !== "") };
  }

  async submit(batch: Batch): Promise<string> {
    if (batch.size !== 1) {
      throw new RigorError("scheduler", `A scheduler that is described by commands has no arrays: ${batch.name}.`);
    }
    const input = Buffer.from(batchScript(batch, this.#options));
    const answer = await this.#shell.run(submissionScript(batch, this.#options), { input, timeout: patience });
    if (answer.status !== 0) throw this.#refusal("submit", answer);
    const id = this.#idIn(textOf(answer));
    if (id === null) {
      const shown = JSON.stringify(textOf(answer).trim().slice(0, 200));
      throw new RigorError("scheduler", `The command \`submit\` printed no id: ${shown}.`, {
        next: "Set `id` of this compute in rigor.yaml to a pattern that finds the id, and cancel the job by hand.",
      });
    }
    this.#ids.set(batch.name, id);
    return id;
  }

  async report(batches: readonly AskedBatch[]): Promise<Map<string, JobReport>> {
    const names = await this.#namesById(batches);
    const said = await this.#states([...names.keys()]);
    const asked = new Set(batches.map(({ name }) => name));
    for (const name of this.#ids.keys()) if (!asked.has(name)) this.#ids.delete(name);
    return new Map([...said].map(([id, report]) => [memberKey({ batch: names.get(id) ?? "", index: 0 }), report]));
  }

  memberId({ id }: { id: string }): string {
    return id;
  }

  async cancel(members: readonly { member: Member; id: string | null }[]): Promise<void> {
    const batches = members.map(({ member, id }) => ({ name: member.batch, id }));
    const ids = [...(await this.#namesById(batches)).keys()];
    const alive = await this.#alive(ids);
    for (const asked of portions(alive, portion)) {
      const answer = await this.#about("cancel", asked);
      // Commands complain of what has ended meanwhile, each in its own way.
      if (answer.status !== 0 && (await this.#alive(asked)).length > 0) throw this.#refusal("cancel", answer);
    }
  }

  async #alive(ids: readonly string[]): Promise<string[]> {
    return [...(await this.#states(ids))].filter(([, { state }]) => state !== "ended").map(([id]) => id);
  }

  /** What the scheduler says of jobs; nothing of those that it does not know. */
  async #states(ids: readonly string[]): Promise<Map<string, JobReport>> {
    const reports = new Map<string, JobReport>();
    for (const asked of portions(ids, portion)) {
      const answer = await this.#about("status", asked);
      if (answer.status !== 0) throw this.#refusal("status", answer);
      const wanted = new Set(asked);
      for (const line of textOf(answer).split("\n")) {
        const { id, state } = /^\s*(?<id>\S+)\s+(?<state>.*?)\s*$/.exec(line)?.groups ?? {};
        if (id === undefined || state === undefined || !wanted.has(id)) continue;
        const report = this.#reportOf(id, state);
        const other = reports.get(id);
        if (other === undefined || compareReports(report, other) > 0) reports.set(id, report);
      }
    }
    return reports;
  }

  #reportOf(id: string, said: string): JobReport {
    const { states } = this.#options;
    const [first = ""] = said.split(/\s/);
    const word = [said, first].find((text) => Object.hasOwn(states, text));
    if (word === undefined) {
      // Nothing is concluded from it; people read the reason.
      const reason = `The scheduler says ${JSON.stringify(first)} of job ${id}, which is not in \`states\`.`;
      return { state: "waiting", reason, held: false };
    }
    const evidence = `The scheduler says ${said} of job ${id}.`;
    switch (states[word]) {
      case "waiting":
        return { state: "waiting", reason: said, held: false };
      case "held":
        return { state: "waiting", reason: said, held: true };
      case "cancelled":
        return { state: "ended", cause: "cancelled", evidence };
      case "preempted":
        return { state: "ended", cause: "preempted", evidence };
      case "finished":
      case "failed":
        return { state: "ended", cause: "finished", evidence };
      default:
        return { state: "running", host: null, restarts: 0 };
    }
  }

  /** The batches whose ids are known, by their ids. */
  async #namesById(batches: readonly Pick<AskedBatch, "name" | "id">[]): Promise<Map<string, string>> {
    const unknown = batches.filter(({ name, id }) => id === null && !this.#ids.has(name)).map(({ name }) => name);
    for (const [name, id] of await this.#noted(unknown)) this.#ids.set(name, id);
    return new Map(
      batches.flatMap(({ name, id }): [string, string][] => {
        const known = id ?? this.#ids.get(name);
        return known === undefined ? [] : [[known, name]];
      }),
    );
  }

  async #noted(names: readonly string[]): Promise<[string, string][]> {
    if (names.length === 0) return [];
    const input = Buffer.from(names.map((name) => `${name}\n`).join(""));
    const answer = await this.#shell.run(notesScript(this.#options.workdir), { input });
    const lines = textOf(answer).split("\n");
    return names.flatMap((name): [string, string][] => {
      const own = lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
      const id = this.#idIn(own.join("\n"));
      return id === null ? [] : [[name, id]];
    });
  }

  /** Null where there is none, or text that no list of ids could hold. */
  #idIn(printed: string): string | null {
    const match = this.#pattern.exec(printed);
    const id = match?.[1] ?? match?.[0] ?? "";
    return /^[^\s-][^\s]*$/.test(id) ? id : null;
  }

  #about(name: "status" | "cancel", ids: readonly string[]): Promise<Answer> {
    return this.#shell.run(jobsScript(this.#options[name], ids), { timeout: patience });
  }

  #refusal(name: CommandName, { status, stderr }: Answer): RigorError {
    const words = stderr
      .split("\n")
      .flatMap((line) => line.replace(/^(?:ba)?sh: (?:line \d+: |\d+: )?/, "").trim() || []);
    const said = words.length === 0 ? `exit status ${status}` : words.slice(-4).join("; ").slice(0, 1000);
    const sentence = said.replace(/\.?$/, ".");
    return new RigorError("scheduler", `The command \`${name}\` failed on ${this.#shell.host}: ${sentence}`, {
      next: status === 127 ? notFoundHint(name) : loginHint,
    });
  }
}

/** Commands that work by hand may miss what a login sets. */
const loginHint =
  'If it works in your own login there, try it in `env -i HOME="$HOME" PATH="$PATH" sh`: commands of rigor.yaml get no other variables of a login than the usual ones, and must set what says where the scheduler is.';

/** A shell says so of a program that is not on its `PATH`. */
const notFoundHint = (name: CommandName): string =>
  `Write the whole path of its program in \`${name}\` of this compute in rigor.yaml, or add the folder to PATH where a login without a terminal reads it, such as the beginning of ~/.bashrc: a profile is not read.`;

const textOf = ({ stdout }: Answer): string => stdout.toString("utf8");

function patternOf(id: string): RegExp {
  try {
    return new RegExp(id, "m");
  } catch (error) {
    throw new RigorError("file-invalid", `\`id\` is no regular expression: ${id}.`, { cause: error });
  }
}
