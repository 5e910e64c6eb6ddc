/** An experiment whose runs need others, for whatever it runs on. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { experiment, type Run, type UserLab } from "../e2e/lab.ts";

/** `pretrain` leaves a model, and each `probe` reads it twice: below the variable, and below the placeholder. */
const program = `set -eu
case $RIGOR_ARM in
pretrain)
  mkdir -p "$RIGOR_OUTPUT/the model"
  echo "model of seed $RIGOR_SEED" >"$RIGOR_OUTPUT/the model/weights.txt"
  ;;
*)
  cat "$RIGOR_NEEDS/pretrain/the model/weights.txt" "$1/the model/weights.txt"
  ;;
esac
printf '{"metrics":{"loss":%s.%s}}' "$RIGOR_SEED" "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`;

/** @param compute where the arms run */
export function chainFiles(compute: string): Record<string, string> {
  return {
    "chain.sh": program,
    "chain.yaml": experiment({
      name: "chain",
      arms: { probe: { needs: ["pretrain"], artifacts: [] }, pretrain: {} },
      outputs: { artifacts: ["the model"] },
      seeds: [1, 2],
      code: ["chain.sh"],
      run: "sh chain.sh {needs.pretrain}",
      compute: [compute],
    }),
  };
}

interface Shown {
  attempt_list: { directory: string; started_at: string; finished_at: string }[];
}

/** Runs it, and expects that every consumer started after its producer had ended, and was given what that left. */
export async function expectChain(lab: UserLab): Promise<void> {
  const answer = await lab.rigor("run", "chain.yaml");
  expect(answer.text).toContain("4 done");
  const attemptOf = async ({ id }: Run) => {
    const { attempt_list: attempts } = await lab.json<Shown>("show", id);
    expect(attempts).toHaveLength(1);
    return attempts[0] as Shown["attempt_list"][number];
  };
  const producers = await lab.runs("chain", "--arm", "pretrain");
  const consumers = await lab.runs("chain", "--arm", "probe");
  expect(consumers).toHaveLength(2);
  for (const consumer of consumers) {
    const probe = await attemptOf(consumer);
    const pretrain = await attemptOf(producers.find(({ seed }) => seed === consumer.seed) as Run);
    const line = `model of seed ${consumer.seed}\n`;
    expect(readFileSync(join(probe.directory, "stdout.log"), "utf8")).toBe(`${line}${line}`);
    expect(Date.parse(probe.started_at)).toBeGreaterThanOrEqual(Date.parse(pretrain.finished_at));
  }
}
