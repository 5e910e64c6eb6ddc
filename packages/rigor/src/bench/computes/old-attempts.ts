import type { KeptDirectory } from "../../compute/executor.ts";
import { attemptLifecycle, isFinal } from "../../domain/lifecycle.ts";
import type { AttemptFate } from "../records/attempt-queries.ts";
import { checkedAt } from "./compute-check.ts";

interface Limits {
  /** Seconds since its end after which a directory goes. */
  old: number;
  /** Seconds since its end in which it stays, however little room there is. */
  spared: number;
}

/** What may be removed, each the longest ended first: what goes by its age, and what goes while there is too little room. */
interface Removable {
  old: KeptDirectory[];
  spare: KeptDirectory[];
}

/**
 * Which directories of attempts on another machine may be removed. An attempt has an end in the log only when all that
 * it declared is on this machine; until then it stays, and so does what the log does not know. Checkpoints stay until
 * nothing can go on from them any more.
 *
 * @param now epoch milliseconds
 */
export function removableAttempts(
  kept: readonly KeptDirectory[],
  fates: ReadonlyMap<string, AttemptFate>,
  limits: Limits,
  now: number,
): Removable {
  const over = kept.flatMap((directory) => {
    const checked = checkedAt(directory.attempt);
    if (checked !== null) return [{ directory, age: (now - checked) / 1_000 }];
    const fate = fates.get(directory.attempt);
    if (fate === undefined || !isFinal(attemptLifecycle, fate.state) || fate.finished_at === null) return [];
    if (directory.has_checkpoints && mayGoOn(fate)) return [];
    return [{ directory, age: (now - Date.parse(fate.finished_at)) / 1_000 }];
  });
  const longestFirst = over.toSorted((a, b) => b.age - a.age);
  const between = (least: number, most: number) =>
    longestFirst.filter(({ age }) => age >= least && age < most).map(({ directory }) => directory);
  return { old: between(limits.old, Number.POSITIVE_INFINITY), spare: between(limits.spared, limits.old) };
}

/** Whether a later try of the run would be given the checkpoints of this one. */
function mayGoOn({ number, run, is_wanted }: AttemptFate): boolean {
  return is_wanted && run.state !== "done" && run.state !== "invalid" && number >= run.resume_from;
}
