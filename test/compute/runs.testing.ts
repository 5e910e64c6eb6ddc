/** What experiments on other machines have in common: their program, and how their attempts are looked at. */
import type { UserLab } from "../e2e/lab.ts";

/** Says where it ran, and what it was given. */
export const program = `printf '%s' "$RIGOR_ARM on $(cat /proc/sys/kernel/hostname)" >"$RIGOR_OUTPUT/where.txt"
cat "$RIGOR_INPUT_WORDS" part.txt
printf '{"metrics":{"loss":%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`;

export interface Shown {
  attempt_list: {
    id: string;
    directory: string;
    compute: string;
    host: string;
    state: string;
    category: string | null;
    evidence: string | null;
  }[];
}

/** The first attempt of a run. */
export async function attemptOf(lab: UserLab, run: string): Promise<Shown["attempt_list"][number]> {
  const [attempt] = (await lab.json<Shown>("show", run)).attempt_list;
  if (attempt === undefined) throw new Error(`${run} has no attempt`);
  return attempt;
}

/** What its experiments say beside their names and computes. */
export const described = {
  inputs: { words: { path: "words.txt" } },
  outputs: { artifacts: ["where.txt"] },
  code: ["run.sh", "part.txt"],
  seeds: [1, 2, 3],
  run: "sh run.sh",
};
