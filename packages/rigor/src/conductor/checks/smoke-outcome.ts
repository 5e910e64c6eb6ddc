import type { Kysely } from "kysely";
import { experimentById } from "../../bench/records/experiment-queries.ts";
import { runsOfExperiment } from "../../bench/records/run-queries.ts";
import { isOfTheCode } from "../../compute/failures/failures.ts";
import { shortId } from "../../domain/format/words.ts";
import type { IssueCheckRecord } from "../../domain/issues/records.ts";
import type { AttemptRecord, Hold, HoldCode, ResultRecord, RunRecord } from "../../domain/records.ts";
import { decodeRow, type Database } from "../../store/tables.ts";
import { faulty, judged, type CheckOutcome } from "./check.ts";

type Db = Kysely<Database>;

interface Tried extends Pick<RunRecord, "id" | "arm" | "state" | "reason"> {
  attempts: number;
  last: Pick<AttemptRecord, "compute" | "category" | "evidence" | "duration"> | null;
  metrics: ResultRecord["metrics"] | null;
}

/** Holds that tell of what was handed in, and not of where it runs. */
const ofTheWork: ReadonlySet<HoldCode> = new Set([
  "preparation",
  "command-missing",
  "code-changed",
  "checks-failed",
  "stage-failed",
]);

/** Since when the smoke run was held that a check has found; null where it was not. */
export const heldSince = ({ details }: IssueCheckRecord): string | null =>
  (details as { held_since?: string | null } | null)?.held_since ?? null;

/**
 * What a smoke run that does not go on says about the code. What its machine or a person did to it is no finding about
 * that: a person is asked.
 */
export async function smokeOutcome(db: Db, experimentId: string): Promise<CheckOutcome> {
  const { hold } = await experimentById(db, experimentId);
  const runs = await triedRuns(db, experimentId);
  const details = {
    runs: runs.map(({ id, arm, state, last, metrics }) => ({
      ...{ run: shortId(id), arm, state },
      ...{ seconds: last?.duration ?? null, metrics },
    })),
    held_since: hold?.since ?? null,
  };
  const missing = runs.filter(({ state }) => state !== "done");
  const wrong = missing.filter(({ state, reason }) => {
    return state === "invalid" || (state === "failed" && isOfTheCode(reason?.code ?? "unknown"));
  });
  const findings = wrong.map(sentence);
  if (hold !== null && ofTheWork.has(hold.code)) findings.push(`The smoke run is held: ${hold.reason}`);
  if (findings.length > 0 || missing.length === 0) return judged(findings, details);
  const held = hold === null || hold.code === "runs-failed" ? [] : [saidHold(hold)];
  const stopped = missing.filter(({ reason }) => reason !== null).map(sentence);
  return { ...faulty([...held, ...stopped, "Nothing shows that the code is wrong."].join(" ")), details };
}

const saidHold = ({ reason, options }: Hold): string =>
  `The smoke run is held: ${ended(reason)} What may help: ${options.join(", ")}.`;

function sentence({ id, arm, state, reason, attempts, last }: Tried): string {
  const evidence = ended(last?.evidence ?? reason?.message ?? "no reason is known");
  const what = `The smoke run of ${arm} (run ${shortId(id)}) is ${state}`;
  if (state !== "failed" || last === null || isOfTheCode(reason?.code ?? "unknown")) return `${what}: ${evidence}`;
  return `${what} on ${last.compute} after ${attempts} ${attempts === 1 ? "try" : "tries"} (${reason?.code}): ${evidence}`;
}

const ended = (text: string): string => text.trim().replace(/[.!?]?$/, (mark) => (mark === "" ? "." : mark));

async function triedRuns(db: Db, experimentId: string): Promise<Tried[]> {
  const runs = await runsOfExperiment(db, experimentId);
  const rows = await db
    .selectFrom("attempts")
    .leftJoin("results", "results.attempt_id", "attempts.id")
    .select(["attempts.id", "attempts.compute", "attempts.category", "attempts.evidence", "attempts.duration"])
    .select("results.metrics")
    .where(
      "attempts.id",
      "in",
      runs.flatMap((run) => run.current_attempt ?? []),
    )
    .execute();
  const attempts = new Map(rows.map((row) => [row.id, row]));
  return runs.map((run) => {
    const last = attempts.get(run.current_attempt ?? "") ?? null;
    const metrics = last?.metrics ?? null;
    return { ...run, last, metrics: metrics === null ? null : decodeRow("results", { metrics }).metrics };
  });
}
