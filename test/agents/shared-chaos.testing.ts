/** Issues on two machines that share a lab: what they are about, who works on them, and what happens to both. */
import { join } from "node:path";
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import { isAlive } from "../../packages/rigor/src/cli/daemon/processes.ts";
import { roleNames } from "../../packages/rigor/src/domain/issues/records.ts";
import { journalOpening } from "../chaos/journal.ts";
import { environmentOf, killIfThere } from "../chaos/processes.ts";
import { until, UserLab, type Answer, type CallOptions } from "../e2e/lab.ts";
import type { CuttableProxy } from "../support/cuttable-proxy.ts";
import { Persons, smoothly } from "./persons.ts";
import { design, issueOf, plan, proposals, training, type IssueWork } from "./tiny-issue.ts";

/** Seconds after which a silent daemon's work is taken over. */
export const patience = 6;

/** Writes to a journal that a run begins and ends. */
export const runScript = `
${journalOpening}say start "$attempt"
sleep "0.$((RIGOR_SEED % 5 + 3))"
node "$2"
say end "$attempt"
`;

/** Issues of one repository whose files and experiments have names of their own. @param place of the journal of runs */
export const numberedWork =
  (place: string) =>
  (brief: string): IssueWork => {
    const number = issueOf(brief);
    const name = `tiny-${number}`;
    const file = `train-${number}.mjs`;
    const own = {
      ...design,
      name,
      tasks: { [`parabola-${number}`]: {} },
      run: ["sh", "run.sh", place, file],
      retry: { infrastructure: 20, code: 20 },
    };
    return {
      file,
      code: training,
      plan: { ...plan, experiment_path: `experiments/${name}.yaml`, experiment_file: stringify(own) },
      proposals: { proposals: proposals.proposals.map((one) => ({ ...one, title: `${one.title} than in ${number}` })) },
    };
  };

/** Roles whose work agents do; persons do the rest. */
export function agentRoles(count: number, random: () => number): string[] {
  const roles = roleNames.filter((name) => name !== "investigator").map((name) => ({ name, order: random() }));
  return roles
    .toSorted((a, b) => a.order - b.order)
    .slice(0, count)
    .map(({ name }) => name);
}

/** A machine that can be left without a daemon for a while: nobody who uses it starts one. */
export class Machine extends UserLab {
  proxy: CuttableProxy | null = null;
  isBusy = false;
  isAway = false;
  /** The last answer to everything that persons did here and that was not taken. */
  readonly refusals: Answer[] = [];

  override async call(words: readonly string[], options: CallOptions = {}): Promise<Answer> {
    while (this.isAway) await sleep(50);
    return super.call(words, options);
  }

  /** Persons who do whatever waits, until it is over. */
  async follow(workOf: (brief: string) => IssueWork, isOver: () => boolean): Promise<void> {
    const script = smoothly(workOf);
    const { implementer } = script;
    const elsewhere = { ...script, implementer: undefined };
    const choose = (gate: { number: number; options: { choice: string }[] }): string[] => {
      const wanted = gate.options.find(({ choice }) => ["approve", "retry", "raise"].includes(choice));
      return wanted === undefined ? ["inbox"] : ["answer", String(gate.number), wanted.choice];
    };
    const persons = new Persons(
      this,
      // Files are changed where they are.
      { ...elsewhere, implementer: (one) => (one.workspace === null ? null : (implementer?.(one) ?? null)) },
      choose,
    );
    while (!isOver()) {
      await persons.doWhatWaits().catch((error: unknown) => {
        if (!isOver()) throw error;
      });
      await sleep(300);
    }
    this.refusals.push(...persons.refusals);
  }

  /** Processes of agents, or of runs: those with this variable below a folder of the data directory. */
  processes(of: "agents" | "runs"): number[] {
    const [variable, folder] =
      of === "agents" ? (["RIGOR_SESSION", "sessions"] as const) : (["RIGOR_JOB", "attempts"] as const);
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => environmentOf(pid, variable)?.startsWith(join(this.home, folder)) === true);
  }
}

/** What happens to a machine: `away` is a daemon that is gone for so long that its work is taken over. */
export type Happening = "kill" | "away" | "stop" | "cut" | "agent" | "run";

/** Waits for a process of an agent or a run on any machine, and kills one. Returns what was killed; null where it is over. */
export async function hunt(
  what: "agent" | "run",
  machines: readonly Machine[],
  random: () => number,
  isOver: () => boolean,
): Promise<string | null> {
  const patienceMs = random() * 1_000;
  for (let wait = patienceMs; !isOver(); wait = 100) {
    const processes = machines.flatMap((machine) => machine.processes(what === "agent" ? "agents" : "runs"));
    if (processes.length > 0 && wait === 100) {
      const victim = processes[Math.floor(random() * processes.length)];
      if (victim !== undefined && killIfThere(victim)) return `${what} ${victim}`;
    }
    await sleep(wait);
  }
  return null;
}

/** Lets something happen to the daemon of a machine. Returns what it was; null where there is none. */
export async function happen(
  what: Exclude<Happening, "agent" | "run">,
  machine: Machine,
  random: () => number,
): Promise<string | null> {
  if (what === "cut") {
    machine.proxy?.refuse();
    await sleep(random() * 3_000);
    machine.proxy?.mend();
    return "cut";
  }
  const pid = machine.daemonPid();
  return pid !== null && isAlive(pid) ? toDaemon(what, machine, pid) : null;
}

async function toDaemon(what: "kill" | "away" | "stop", machine: Machine, pid: number): Promise<string> {
  if (what === "stop") {
    killIfThere(pid, "SIGSTOP");
    await sleep((patience + 3) * 1_000);
    killIfThere(pid, "SIGCONT");
  } else if (what === "kill") {
    killIfThere(pid);
    await until("another daemon", () => machine.daemonPid() !== pid || machine.isAway, 120_000);
  } else {
    machine.isAway = true;
    const end = Date.now() + (patience + 3) * 1_000;
    // Whoever was asking when it was killed may have started another one.
    for (; Date.now() < end; await sleep(100)) {
      const now = machine.daemonPid();
      if (now !== null && isAlive(now)) killIfThere(now);
    }
    machine.isAway = false;
  }
  return `${what} ${pid}`;
}
