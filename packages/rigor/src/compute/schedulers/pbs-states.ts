import { notBegun } from "./batch-script.ts";
import { compareReports } from "./members.ts";
import { type PbsJob, pbsOutcome, type PbsOutcome } from "./pbs-answers.ts";
import { type EndCause, type JobReport, memberKey } from "./scheduler.ts";

// What PBS's records mean for the members of batches. Pure.

/** What is known of one member. */
export interface PbsFinding {
  job: PbsJob;
  index: number;
  report: JobReport;
}

/** What PBS says of each member, by {@link memberKey}. Jobs of other names are other people's or other programs'. */
export function pbsMembers(
  jobs: Iterable<PbsJob>,
  batches: readonly { name: string; size: number }[],
): Map<string, PbsFinding> {
  const sizes = new Map(batches.map(({ name, size }) => [name, size]));
  const members = new Map<string, PbsFinding>();
  for (const job of jobs) {
    const size = sizes.get(job.name ?? "");
    // A batch of one is no array, and an array says nothing of its members.
    const index = job.role === "job" ? 0 : job.index;
    if (job.name === null || size === undefined || index === null || index >= size) continue;
    const finding = { job, index, report: reportOf(job) };
    const key = memberKey({ batch: job.name, index });
    const other = members.get(key);
    if (other === undefined || counts(finding, other)) members.set(key, finding);
  }
  return members;
}

/** Of a name that was submitted twice: what is alive counts, then what was submitted last. */
function counts(one: PbsFinding, other: PbsFinding): boolean {
  const difference = compareReports(one.report, other.report);
  return difference === 0 ? Number.parseInt(one.job.id, 10) > Number.parseInt(other.job.id, 10) : difference > 0;
}

function reportOf(job: PbsJob): JobReport {
  const outcome = pbsOutcome(job);
  switch (outcome.kind) {
    case "waiting":
    case "requeued":
      return { state: "waiting", reason: reasonOf(job), held: /^Can Never Run\b/.test(job.comment ?? "") };
    case "held":
      return { state: "waiting", reason: job.comment ?? `hold ${outcome.holds || "H"}`, held: true };
    case "running":
      return { state: "running", host: hostOf(job), restarts: Math.max(0, job.run_count - 1) };
    case "unknown":
      // Nothing is concluded from it; people read the reason.
      if (!outcome.gone) return { state: "waiting", reason: outcome.reason, held: false };
      return endOf(job, outcome);
    case "array":
      return { state: "waiting", reason: "It is an array.", held: false };
    default:
      return endOf(job, outcome);
  }
}

/** A member that waits has the comment of its array, and one that was requeued that of its last start. */
const reasonOf = ({ comment }: PbsJob): string | null =>
  comment === null || /^Job (?:Array Began|run) at /.test(comment) ? null : comment;

/** `n1/0*2+n2/1` names the node and its slots. */
const hostOf = ({ exec_host }: PbsJob): string | null => /^[^/+]+/.exec(exec_host ?? "")?.[0] ?? null;

type End = Extract<PbsOutcome, { kind: "ended" | "ended-by-pbs" | "deleted" | "unknown" }>;

function endOf(job: PbsJob, outcome: End): JobReport & { state: "ended" } {
  const { cause, how } = causeOf(outcome);
  const host = hostOf(job);
  const details = [how, host === null ? "on no node" : `on ${host}`, job.comment === null ? null : `"${job.comment}"`];
  const evidence = `PBS says ${job.state} of job ${job.id}: ${details.filter((part) => part !== null).join(", ")}.`;
  return { state: "ended", cause, evidence };
}

function causeOf(outcome: End): { cause: EndCause; how: string } {
  switch (outcome.kind) {
    case "ended":
      if (outcome.exit === notBegun) {
        return { cause: "unprepared", how: `its directory or its modules are missing (exit status ${notBegun})` };
      }
      return {
        cause: "finished",
        how: outcome.exit === null ? `signal ${outcome.signal}` : `exit status ${outcome.exit}`,
      };
    case "ended-by-pbs":
      return { cause: outcome.cause, how: `${outcome.name} (exit status ${outcome.code})` };
    case "deleted": {
      const by = outcome.by === null ? "" : ` by ${outcome.by}`;
      return { cause: "cancelled", how: outcome.ran ? `deleted${by}` : `deleted${by} before it started` };
    }
    default:
      return { cause: "unknown", how: outcome.reason.replace(/\.$/, "") };
  }
}
