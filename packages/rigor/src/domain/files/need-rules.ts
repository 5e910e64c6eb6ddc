import type { Need } from "../experiment.ts";
import { topFolder } from "../needs.ts";
import type { FileExperiment } from "./experiment-schema.ts";
import type { FileNeed } from "./needs-schema.ts";
import type { References } from "./report.ts";
import type { Path } from "./source.ts";
import { suggestion } from "./suggest.ts";

/** Takes apart what a need names. @param ownArms arms that it may mean, besides those of other experiments */
export function completeNeed({ from, as, ...rest }: FileNeed, ownArms: readonly string[]): Need {
  if (ownArms.includes(from)) return { ...rest, experiment: null, arm: from, folder: as ?? from };
  const slash = from.indexOf("/");
  const experiment = slash < 0 ? from : from.slice(0, slash);
  const arm = slash < 0 ? null : from.slice(slash + 1);
  // A version is no part of the name: the folder stays the same when it changes.
  const name = experiment.replace(/@\d+$/, "");
  return { ...rest, experiment, arm, folder: as ?? (arm === null ? name : `${name}/${arm}`) };
}

/** Folders below `RIGOR_NEEDS` that some run has. */
export function foldersOfFile({ needs, arms }: FileExperiment): string[] {
  const names = Object.keys(arms);
  const all = [
    ...needs.map((need) => completeNeed(need, [])),
    ...Object.values(arms).flatMap((arm) => arm.needs.map((need) => completeNeed(need, names))),
  ];
  return [...new Set(all.map(topFolder))];
}

/** Checks what needs say of this experiment itself. Other experiments are looked up when it is planned. */
export function checkNeeds(file: FileExperiment, references: References): void {
  const everywhere = file.needs.map((need, index) => ({ need, path: ["needs", index] }));
  for (const { need, path } of everywhere) checkOther(file, need, path, references);
  const arms = Object.keys(file.arms);
  checkFolders(everywhere, [], arms, references);
  for (const [arm, { needs }] of Object.entries(file.arms)) {
    const own = needs.map((need, index) => ({ need, path: ["arms", arm, "needs", index] }));
    for (const { need, path } of own) checkNeed(file, arm, need, path, references);
    checkFolders(own, everywhere, arms, references);
  }
  checkCircles(file, references);
}

interface PlacedNeed {
  need: FileNeed;
  path: Path;
}

/** An entry under `arms.NAME.needs`. */
function checkNeed(file: FileExperiment, arm: string, need: FileNeed, path: Path, references: References): void {
  const arms = Object.keys(file.arms);
  if (need.from === arm) return references.problem(path, `the arm \`${arm}\` cannot need itself`);
  if (!arms.includes(need.from)) {
    if (need.from.includes("/")) return checkOther(file, need, path, references);
    const others = arms.filter((one) => one !== arm);
    const allowed = others.length === 0 ? "" : ` (allowed: ${others.join(", ")})`;
    return references.problem(
      path,
      `there is no arm \`${need.from}\`${suggestion(need.from, others)}${allowed}; an arm of another experiment is written \`EXPERIMENT/ARM\``,
    );
  }
  if (need.task !== null) references.known(path, "task", need.task, Object.keys(file.tasks));
  for (const name of Object.keys(need.parameters)) {
    references.known(path, "parameter of the grid", name, Object.keys(file.parameters));
  }
}

/** An entry that must name another experiment. */
function checkOther(file: FileExperiment, need: FileNeed, path: Path, references: References): void {
  const { experiment, arm } = completeNeed(need, []);
  const parts = /^([^@]*)(@[1-9]\d*)?$/.exec(experiment ?? "");
  if (parts === null || parts[1] === "" || arm === "") {
    references.problem(
      path,
      `found \`${need.from}\`; expected \`EXPERIMENT\`, \`EXPERIMENT@VERSION\` or \`EXPERIMENT/ARM\``,
    );
  } else if (parts[1] === file.name) {
    references.problem(
      path,
      "an experiment cannot need itself; what one arm needs of another stands in `arms.NAME.needs`",
    );
  } else if (arm === null && Object.hasOwn(file.arms, need.from)) {
    references.problem(
      path,
      `\`${need.from}\` is an arm of this experiment; write it under \`needs\` of the arms that need it`,
    );
  }
}

/** Two needs of one run must have different folders, and none may lie in another. */
function checkFolders(
  needs: readonly PlacedNeed[],
  before: readonly PlacedNeed[],
  arms: readonly string[],
  references: References,
): void {
  const folderOf = ({ need, path }: PlacedNeed) => ({ folder: completeNeed(need, arms).folder, path });
  const seen = before.map(folderOf);
  for (const placed of needs) {
    const { folder, path } = folderOf(placed);
    if (!folder.split("/").every(isFolder)) {
      references.problem(path, `\`${folder}\` cannot be the name of a folder; give it one with \`as\``);
    }
    const other = seen.find(
      (one) => `${folder}/`.startsWith(`${one.folder}/`) || `${one.folder}/`.startsWith(`${folder}/`),
    );
    if (other !== undefined) {
      references.problem(
        path,
        `its folder \`${folder}\` is taken by the need at ${references.place(other.path)}; give one of them another with \`as\``,
      );
    }
    seen.push({ folder, path });
  }
}

const isFolder = (name: string): boolean => name !== "" && !name.startsWith(".");

/** Arms that need each other, directly or by others, could never start. */
function checkCircles(file: FileExperiment, references: References): void {
  const finished = new Set<string>();
  const visit = (arm: string, way: readonly string[]): void => {
    const { needs = [] } = file.arms[arm] ?? {};
    for (const [index, { from }] of needs.entries()) {
      if (!Object.hasOwn(file.arms, from) || from === arm || finished.has(from)) continue;
      const start = way.indexOf(from);
      if (start < 0) visit(from, [...way, from]);
      else {
        const circle = [...way.slice(start), from].map((one) => `\`${one}\``).join(" needs ");
        references.problem(["arms", arm, "needs", index], `${circle}, so none of them could ever start`);
      }
    }
    finished.add(arm);
  };
  for (const arm of Object.keys(file.arms)) if (!finished.has(arm)) visit(arm, [arm]);
}
