import type { FileExperiment } from "./experiment-schema.ts";
import type { References } from "./report.ts";
import { sharedSeeds } from "./seeds.ts";
import type { Path } from "./source.ts";

type FileStage = FileExperiment["stages"][number];

/** Checks what stages may ask of each other. */
export function checkStages(file: FileExperiment, references: References): void {
  const last = file.stages.length - 1;
  for (const [index, stage] of file.stages.entries()) {
    checkPassRule(file, stage, index, references);
    if (stage.pass.metrics.length === 0) continue;
    if (index === last) {
      references.problem(
        ["stages", index, "pass", "metrics"],
        "no stage follows the last one; what its results must show belongs in `decision`",
      );
    } else checkSelection(file, stage, index, references);
  }
}

function checkPassRule(file: FileExperiment, stage: FileStage, index: number, references: References): void {
  for (const [entry, rule] of stage.pass.metrics.entries()) {
    const at = (...path: Path): Path => ["stages", index, "pass", "metrics", entry, ...path];
    references.known(at("metric"), "metric", rule.metric, Object.keys(file.metrics));
    if (rule.arm !== null) references.known(at("arm"), "arm", rule.arm, stage.arms ?? Object.keys(file.arms));
    if (rule.at_least === null && rule.at_most === null) {
      references.problem(at(), "found no bound; give `at_least`, `at_most` or both");
    } else if (rule.at_least !== null && rule.at_most !== null && rule.at_least > rule.at_most) {
      references.problem(at("at_least"), `no value is at least ${rule.at_least} and at most ${rule.at_most}`);
    }
  }
}

/**
 * A stage that goes on only when its metrics look good selects on the outcome. Its runs must then not be among those
 * that decide, or the decision would count results that were chosen for being good.
 */
function checkSelection(file: FileExperiment, stage: FileStage, index: number, references: References): void {
  const final = file.stages.at(-1);
  if (final === undefined || !overlap(stage.arms, final.arms) || !overlap(stage.tasks, final.tasks)) return;
  const shared = sharedSeeds(stage.seeds ?? file.seeds, final.seeds ?? file.seeds, 4);
  if (shared.length === 0) return;
  const listed = shared.slice(0, 3).join(", ") + (shared.length > 3 ? ", ..." : "");
  references.problem(
    ["stages", index, "pass", "metrics"],
    `the stage \`${stage.name}\` passes by its metrics, and the last stage \`${final.name}\` counts the same runs (seeds ${listed}), ` +
      "so the decision would rest on runs that were selected by their outcome; give the two stages different seeds",
  );
}

function overlap(a: readonly string[] | null, b: readonly string[] | null): boolean {
  return a === null || b === null || a.some((name) => b.includes(name));
}
