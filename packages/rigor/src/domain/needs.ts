import { canonicalJson, type Json } from "./canonical.ts";
import type { PlannedRun } from "./design.ts";
import type { Cell, Experiment, Need } from "./experiment.ts";
import { closest } from "./files/suggest.ts";
import { gridText } from "./format/words.ts";

/** A run that another one may need. */
export interface OfferedRun extends Pick<Cell, "arm" | "task" | "grid"> {
  key: string;
  seed: number;
  /** Index of the first stage that asks for it; runs of other experiments have none that counts. */
  first_stage: number;
}

type Place = Omit<OfferedRun, "key" | "first_stage">;

/** What is wrong with a need, at its path in the file. */
export interface NeedProblem {
  path: (string | number)[];
  problem: string;
}

/** A planned run with its identity. */
export interface IdentifiedRun extends PlannedRun {
  key: string;
  /** Folder below `RIGOR_NEEDS` -> key of the run whose outputs are in it. */
  needs: Record<string, string>;
}

type Needing = Pick<Experiment, "arms" | "needs">;

/** What every run of an arm needs, with where the file says so. */
export function needsOfArm(experiment: Needing, arm: string): { need: Need; path: (string | number)[] }[] {
  return [
    ...experiment.needs.map((need, index) => ({ need, path: ["needs", index] })),
    ...(experiment.arms[arm]?.needs ?? []).map((need, index) => ({ need, path: ["arms", arm, "needs", index] })),
  ];
}

/** A folder of `RIGOR_NEEDS` itself, which a placeholder can name. */
export const topFolder = ({ folder }: Pick<Need, "folder">): string => folder.replace(/\/.*$/, "");

/**
 * What `{needs.NAME}` stands for, by name: a path for what the run needs, empty text for what only other arms need.
 *
 * @param root what `RIGOR_NEEDS` is for the run
 */
export function needPaths(
  experiment: Needing,
  run: { needs: Record<string, string> },
  root: string,
): Record<string, string> {
  const own = new Set(Object.keys(run.needs).map((folder) => topFolder({ folder })));
  const all = Object.keys(experiment.arms).flatMap((arm) =>
    needsOfArm(experiment, arm).map(({ need }) => topFolder(need)),
  );
  return Object.fromEntries(all.map((name) => [name, own.has(name) ? `${root}/${name}` : ""]));
}

export const hasNeeds = (experiment: Needing): boolean =>
  experiment.needs.length > 0 || Object.values(experiment.arms).some(({ needs }) => needs.length > 0);

/** Names of the other experiments that one needs, as its file writes them. */
export function neededExperiments(experiment: Needing): string[] {
  const names = Object.keys(experiment.arms).flatMap((arm) =>
    needsOfArm(experiment, arm).flatMap(({ need }) => need.experiment ?? []),
  );
  return [...new Set(names)];
}

/** Arms in an order in which each comes after those that it needs. Circles are refused when the file is read. */
export function armsInOrder(experiment: Needing): string[] {
  const ordered = new Set<string>();
  const visit = (arm: string): void => {
    if (ordered.has(arm)) return;
    for (const { arm: needed, experiment: other } of experiment.arms[arm]?.needs ?? []) {
      if (other === null && needed !== null) visit(needed);
    }
    ordered.add(arm);
  };
  for (const arm of Object.keys(experiment.arms)) visit(arm);
  return [...ordered];
}

/** Runs of one experiment by their place, to be found by those that need them. */
export class Offer {
  /** The experiment, for messages; null for the same one. */
  readonly name: string | null;
  /** Arm -> the newest earlier version that had it, NAME@VERSION. */
  readonly #earlier: ReadonlyMap<string, string>;
  readonly #runs = new Map<string, OfferedRun>();
  /** Arm -> names of the parameters in its grid. */
  readonly #arms = new Map<string, string[]>();

  constructor(
    name: string | null,
    runs: Iterable<OfferedRun> = [],
    earlier: ReadonlyMap<string, string> = new Map<string, string>(),
  ) {
    this.name = name;
    this.#earlier = earlier;
    for (const run of runs) this.add(run);
  }

  add(run: OfferedRun): void {
    this.#runs.set(placeKey(run), run);
    if (!this.#arms.has(run.arm)) this.#arms.set(run.arm, Object.keys(run.grid));
  }

  get arms(): string[] {
    return [...this.#arms.keys()];
  }

  /** The run of an arm that a run needs; undefined where there is none. */
  find(need: Need, arm: string, run: PlannedRun): OfferedRun | undefined {
    const wanted = this.#wanted(need, arm, run);
    return wanted === null ? undefined : this.#runs.get(placeKey(wanted));
  }

  /** Why there is no run as {@link Offer.find} looks for, and what to do. */
  whyNone(need: Need, arm: string, run: PlannedRun): string {
    const parameters = this.#arms.get(arm);
    if (parameters === undefined) return this.#withoutArm(arm);
    const wanted = this.#wanted(need, arm, run);
    if (wanted !== null) return this.#missing(need, wanted);
    const open = parameters.filter((name) => !Object.hasOwn({ ...run.cell.grid, ...need.parameters }, name));
    return this.#ambiguous(need, arm, open);
  }

  /** Null where the run says nothing about a parameter in the grid of the other experiment. */
  #wanted(need: Need, arm: string, run: PlannedRun): Place | null {
    const parameters = this.#arms.get(arm) ?? [];
    const values = { ...run.cell.grid, ...need.parameters };
    if (!parameters.every((name) => Object.hasOwn(values, name))) return null;
    const grid = Object.fromEntries(parameters.map((name) => [name, values[name] as Json]));
    return { arm, task: need.task ?? run.cell.task, grid, seed: need.seed ?? run.seed };
  }

  #withoutArm(arm: string): string {
    const meant = closest(arm, this.arms);
    const earlier = this.#earlier.get(arm);
    const before = earlier === undefined ? "" : `; ${earlier} had it: \`${earlier}/${arm}\``;
    const hint = meant === null ? before : `${before}; did you mean \`${meant}\`?`;
    return `${this.name ?? "this experiment"} has no run of an arm \`${arm}\`${hint} (it has: ${shortList(this.arms)})`;
  }

  #ambiguous(need: Need, arm: string, open: readonly string[]): string {
    const values = open.map((name) => `${name}: ...`).join(", ");
    return `${this.#named(arm)} has runs with several values of ${open.join(", ")}; say which one is needed: ${example(need, `parameters: { ${values} }`)}`;
  }

  #missing(need: Need, { arm, task, grid, seed }: Place): string {
    const runs = [...this.#runs.values()].filter((run) => run.arm === arm);
    const tasks = [...new Set(runs.map((run) => run.task))];
    if (!tasks.includes(task)) {
      return `${this.#named(arm)} has no run on the task \`${task}\` (it has: ${shortList(tasks)}); if one run is meant for all tasks, name its task: ${example(need, `task: ${tasks[0]}`)}`;
    }
    const ofTask = runs.filter((run) => run.task === task);
    const seeds = [...new Set(ofTask.map((run) => run.seed))];
    if (!seeds.includes(seed)) {
      return `${this.#named(arm)} has no run with the seed ${seed} on the task \`${task}\` (it has: ${shortList(seeds.map(String))}); ask for the same seeds in both, or name one for all: ${example(need, `seed: ${seeds[0]}`)}`;
    }
    return `${this.#named(arm)} has no run with ${gridText(grid)}, task \`${task}\` and seed ${seed}; ask for the same values in both, or name them: ${example(need, "parameters: { ... }")}`;
  }

  #named(arm: string): string {
    return this.name === null ? `the arm \`${arm}\`` : `\`${arm}\` of ${this.name}`;
  }
}

const example = ({ experiment, arm }: Need, more: string): string =>
  `\`{ from: ${[experiment, arm].filter((part) => part !== null).join("/")}, ${more} }\``;

const mostShown = 8;

const shortList = (names: readonly string[]): string =>
  [...names.slice(0, mostShown), ...(names.length > mostShown ? ["..."] : [])].join(", ");

const placeKey = ({ arm, task, grid, seed }: Place): string => canonicalJson([arm, task, grid, seed]);

/**
 * Finds the runs that each planned run needs, and names every run by its key. The key of a run covers those of the runs
 * that it needs, so whatever makes one of these another run makes it another run too.
 *
 * @param others runs of the other experiments, by their name in the file
 * @param keyOf the key of a planned run with the keys of what it needs
 */
export function identifyRuns(
  experiment: Needing & Pick<Experiment, "stages">,
  planned: readonly PlannedRun[],
  others: ReadonlyMap<string, Offer>,
  keyOf: (run: PlannedRun, needs: Record<string, string>) => string,
): { runs: IdentifiedRun[]; problems: NeedProblem[] } {
  const own = new Offer(null);
  const problems = new Map<string, NeedProblem>();
  const identified = new Map<PlannedRun, IdentifiedRun>();
  const byArm = Map.groupBy(planned, ({ cell }) => cell.arm);
  for (const arm of armsInOrder(experiment)) {
    const needs = needsOfArm(experiment, arm);
    for (const run of byArm.get(arm) ?? []) {
      const found: Record<string, string> = {};
      const [firstStage = 0] = run.stages;
      for (const { need, path } of needs) {
        const offer = need.experiment === null ? own : others.get(need.experiment);
        if (offer === undefined) throw new Error(`nothing is known of the experiment ${need.experiment}`);
        for (const [folder, needed] of foldersOf(need, offer)) {
          const target = offer.find(need, needed, run);
          if (target !== undefined) found[folder] = target.key;
          const name = path.join(".");
          if (problems.has(name)) continue;
          const problem =
            target === undefined ? offer.whyNone(need, needed, run) : stageProblem(experiment, offer, target, run);
          if (problem !== null) problems.set(name, { path, problem });
        }
      }
      const key = keyOf(run, found);
      identified.set(run, { ...run, key, needs: found });
      own.add({ ...run.cell, key, seed: run.seed, first_stage: firstStage });
    }
  }
  return {
    runs: planned.flatMap((run) => identified.get(run) ?? []),
    problems: [...problems.values()],
  };
}

/** Folder -> arm. A need of a whole experiment has a folder for each of its arms. */
function foldersOf(need: Need, offer: Offer): [string, string][] {
  if (need.arm !== null) return [[need.folder, need.arm]];
  return offer.arms.map((arm) => [`${need.folder}/${arm}`, arm]);
}

function stageProblem(
  { stages }: Pick<Experiment, "stages">,
  offer: Offer,
  needed: OfferedRun,
  run: PlannedRun,
): string | null {
  const [first = 0] = run.stages;
  if (offer.name !== null || needed.first_stage <= first) return null;
  const nameOf = (stage: number) => `\`${stages[stage]?.name}\``;
  return `\`${run.cell.arm}\` runs from the stage ${nameOf(first)} on, but \`${needed.arm}\`, which it needs, only from ${nameOf(needed.first_stage)} on; let \`${needed.arm}\` run in ${nameOf(first)} or before`;
}
