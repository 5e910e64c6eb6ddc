import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "../../bench/lab/lab.ts";
import { experimentById } from "../../bench/records/experiment-queries.ts";
import { placedRuns } from "../../bench/records/placed-runs.ts";
import { shortId } from "../../domain/format/words.ts";
import type { IssueFacts } from "../../domain/issues/facts.ts";
import type { ExperimentRecord } from "../../domain/records.ts";
import { hashFile } from "../../provenance/files.ts";
import { tryGit } from "../../provenance/git.ts";
import type { ConductorParts } from "../parts.ts";
import { judged, passed, type CheckOutcome } from "./check.ts";

/**
 * The checklist before anything is concluded: the commit can be had, the tree was clean, command, environment and inputs
 * are recorded, every planned run is accounted for, and every artifact lies where it should with the content that was
 * recorded.
 */
export async function checkReproducibility(parts: ConductorParts, facts: IssueFacts): Promise<CheckOutcome> {
  if (facts.experiment === null) return passed();
  const experiment = await experimentById(parts.lab.store.db, facts.experiment.id);
  const runs = await checkRuns(parts, experiment);
  const findings = [...(await sourceFindings(experiment)), ...recordFindings(experiment), ...runs.findings];
  return judged(findings, {
    experiment: `${experiment.name}@${experiment.version}`,
    commit: experiment.source.commit,
    ...(runs.elsewhere.length === 0 ? {} : { hashed_where_they_arrived: runs.elsewhere }),
  });
}

async function sourceFindings({ source }: ExperimentRecord): Promise<string[]> {
  const found = await tryGit(source.repository, ["cat-file", "-e", `${source.commit}^{commit}`]);
  return [
    ...(found.status === 0 ? [] : [`The commit ${source.commit} is not in the repository any more.`]),
    ...(source.dirty ? ["The experiment ran from uncommitted files."] : []),
  ];
}

function recordFindings({ environment, inputs, check_failures }: ExperimentRecord): string[] {
  const unhashed = Object.entries(inputs).filter(([, input]) => !/^[0-9a-f]{64}$/.test(input.sha256));
  const failures = check_failures as readonly { rule?: string }[];
  return [
    ...(environment.key === "" ? ["No environment is recorded."] : []),
    ...unhashed.map(([name]) => `The input ${name} has no hash.`),
    ...failures.map((one) => `A check across runs failed: ${one.rule ?? "unknown"}.`),
  ];
}

/** What a look at the runs finds, and whose artifacts are on other machines of the lab: `RUN on HOST`. */
interface RunsSeen {
  findings: string[];
  elsewhere: string[];
}

async function checkRuns({ lab }: ConductorParts, experiment: ExperimentRecord): Promise<RunsSeen> {
  const runs = await placedRuns(lab.store.db, experiment.id);
  const [findings, elsewhere]: [string[], string[]] = [[], []];
  if (runs.length !== experiment.total_runs) {
    findings.push(`${experiment.total_runs} runs were planned, and ${runs.length} are recorded.`);
  }
  for (const run of runs) {
    if (run.state !== "done") {
      if (!experiment.without_failed) findings.push(`Run ${shortId(run.run_id)} is ${run.state}, so it has no result.`);
      continue;
    }
    const host = await otherHostOf(lab, run.run_id);
    if (host === null) findings.push(...(await artifactFindings(lab, run.run_id)));
    else elsewhere.push(`${shortId(run.run_id)} on ${host}`);
  }
  return { findings, elsewhere };
}

/** The machine of the lab that a result's files are on, if they are not on this one: it hashed them when they arrived. */
async function otherHostOf({ store, driving: { drivers } }: Lab, runId: string): Promise<string | null> {
  if (drivers === null) return null;
  const row = await store.db
    .selectFrom("runs")
    .innerJoin("attempts", "attempts.id", "runs.result_attempt")
    .select("attempts.directory")
    .where("runs.id", "=", runId)
    .executeTakeFirst();
  if (row === undefined || existsSync(row.directory)) return null;
  const place = await drivers.roster.daemonOf(row.directory);
  return place === null || place.member === drivers.member ? null : place.host;
}

async function artifactFindings({ store: { db } }: Lab, runId: string): Promise<string[]> {
  const row = await db
    .selectFrom("runs")
    .innerJoin("results", "results.attempt_id", "runs.result_attempt")
    .innerJoin("attempts", "attempts.id", "runs.result_attempt")
    .select(["results.artifacts", "attempts.directory"])
    .where("runs.id", "=", runId)
    .executeTakeFirst();
  if (row === undefined) return [`Run ${shortId(runId)} is done, and has no result.`];
  const artifacts = JSON.parse(row.artifacts) as { path: string; sha256: string }[];
  const findings: string[] = [];
  for (const { path, sha256 } of artifacts) {
    const found = await hashFile(join(row.directory, "output", path)).catch(() => null);
    if (found === null) findings.push(`The artifact ${path} of run ${shortId(runId)} is missing.`);
    else if (found !== sha256) findings.push(`The artifact ${path} of run ${shortId(runId)} is not what was recorded.`);
  }
  return findings;
}
