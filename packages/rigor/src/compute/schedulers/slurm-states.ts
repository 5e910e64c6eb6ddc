import { RigorError } from "../../domain/errors.ts";
import { notBegun } from "./batch-script.ts";
import { compareReports } from "./members.ts";
import { type HistoryRecord, type QueueRecord, readIndexes } from "./slurm-answers.ts";
import { type EndCause, type JobReport, memberKey } from "./scheduler.ts";

// What Slurm's states mean. Pure. A state that is not listed is never guessed at.

const running = new Set([
  "RUNNING",
  "COMPLETING",
  "CONFIGURING",
  "RESIZING",
  "SIGNALING",
  "STAGE_OUT",
  "STOPPED",
  "SUSPENDED",
  "POWER_UP_NODE",
  "EXPEDITING",
  "UPDATE_DB",
]);

/** Slurm starts it again, also after its node failed or it was preempted. `REVOKED`: in another cluster of a federation. */
const waiting = new Set(["PENDING", "REQUEUED", "REQUEUE_FED", "REVOKED"]);

const heldStates = new Set(["REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"]);

/** Reasons for which a job waits until a person changes something, although it is not held. */
const stuckReasons: readonly RegExp[] = [
  /^(?:BadConstraints|DependencyNeverSatisfied|ReservationDeleted)$/,
  /^(?:InvalidAccount|InvalidQOS|AccountNotAllowed|QOSNotAllowed)$/,
  /^(?:JobHeld(?:User|Admin)|JobHoldMaxRequeue)$/,
  /^Partition(?:Config|TimeLimit|NodeLimit)$/,
  // Limits of one job, not of those that run at the same time.
  /^(?:Assoc|QOS)Max\w*Per(?:Job|Node)(?:Limit)?$/,
  /^(?:QOSMin\w+|QOSTimeLimit|MaxMemPerLimit)$/,
];

const causes: Readonly<Record<string, EndCause>> = {
  COMPLETED: "finished",
  FAILED: "finished",
  CANCELLED: "cancelled",
  PREEMPTED: "preempted",
  NODE_FAIL: "node-failure",
  OUT_OF_MEMORY: "out-of-memory",
  TIMEOUT: "time-limit",
  DEADLINE: "time-limit",
  BOOT_FAIL: "not-started",
  LAUNCH_FAILED: "not-started",
  RECONFIG_FAIL: "not-started",
};

/** What a record of the queue says. @throws RigorError `scheduler` for a state that is not known. */
export function reportOf(record: QueueRecord): JobReport {
  const { state, reason, host, restarts } = record;
  if (running.has(state)) return { state: "running", host, restarts };
  if (heldStates.has(state)) return { state: "waiting", reason: reason ?? state, held: true };
  if (waiting.has(state)) {
    const why = reason ?? (state === "PENDING" ? null : state);
    const isStuck = stuckReasons.some((pattern) => pattern.test(why ?? ""));
    return { state: "waiting", reason: why, held: record.held || isStuck };
  }
  const ended = endOf(record);
  if (ended !== null) return ended;
  throw new RigorError(
    "scheduler",
    `Slurm says ${JSON.stringify(state)} of job ${record.id}, which is no known state.`,
  );
}

/** How a job ended; null for a state that is not an end. */
function endOf(record: HistoryRecord): (JobReport & { state: "ended" }) | null {
  const { state, reason, host, exit } = record;
  const known = Object.hasOwn(causes, state) ? causes[state] : undefined;
  if (known === undefined) return null;
  const cause = state === "FAILED" && exit?.code === notBegun ? "unprepared" : known;
  const details = [
    exit === null || (exit.code === 0 && exit.signal === 0) ? null : exitText(exit),
    reason === null ? null : `reason ${reason}`,
  ].filter((part) => part !== null);
  const where = host === null ? "on no node" : `on ${host}`;
  const how = details.length === 0 ? "" : `: ${details.join(", ")}`;
  const evidence = `Slurm says ${state} of job ${nameOf(record)} ${where}${how}.`;
  return { state: "ended", cause: neverStarted(record) ? "not-started" : cause, evidence };
}

/** As Slurm's commands take it: `12`, or `12_3` for a member of an array. */
const nameOf = ({ id, task }: Pick<HistoryRecord, "id" | "task">): string =>
  task === null || task === "N/A" ? id : `${id}_${task}`;

/** Signal 53 is what Slurm reports when it cannot open the output or change to the directory of a job. */
const launchSignal = 53;

/** A job that failed before its script ran. */
function neverStarted({ state, reason, host, exit }: Pick<QueueRecord, "state" | "reason" | "host" | "exit">): boolean {
  if (state === "DEADLINE") return host === null;
  if (state !== "FAILED") return false;
  return host === null || reason === "JobLaunchFailure" || exit?.signal === launchSignal;
}

function exitText({ code, signal }: { code: number; signal: number }): string {
  if (signal !== 0) return `signal ${signal}`;
  return code === notBegun ? `its modules could not be loaded (exit status ${code})` : `exit status ${code}`;
}

/** A batch that is asked about. */
interface Asked {
  name: string;
  size: number;
}

/** What is known of one member. */
export interface Finding<Record = QueueRecord> {
  record: Record;
  index: number;
  report: JobReport;
}

/** What the queue says of each member, by {@link memberKey}. @throws RigorError `scheduler` */
export function queuedMembers(records: readonly QueueRecord[], batches: readonly Asked[]): Map<string, Finding> {
  return byMember(records, batches, (record) => {
    const indexes = record.task === "N/A" ? [0] : readIndexes(record.task);
    if (indexes !== null) return { indexes, report: reportOf(record) };
    throw new RigorError("scheduler", `The answer of squeue cannot be read: job ${record.id}_${record.task}.`);
  });
}

/**
 * How members ended that have left the queue, by {@link memberKey}. The history learns of changes later than the queue,
 * so it is not believed about jobs that are alive, and what it says of none in particular is left out.
 */
export function endedMembers(
  records: readonly HistoryRecord[],
  batches: readonly Asked[],
): Map<string, Finding<HistoryRecord>> {
  const alone = new Set(batches.flatMap(({ name, size }) => (size === 1 ? [name] : [])));
  return byMember(records, batches, (record) => {
    const report = endOf(record);
    const indexes = record.task === null ? (alone.has(record.name) ? [0] : null) : readIndexes(record.task);
    return report === null || indexes === null ? null : { indexes, report };
  });
}

/** Records of other names are not looked at: they are other people's or other programs' jobs. */
function byMember<Record extends { id: string; name: string }>(
  records: readonly Record[],
  batches: readonly Asked[],
  read: (record: Record) => { indexes: readonly number[]; report: JobReport } | null,
): Map<string, Finding<Record>> {
  const sizes = new Map(batches.map(({ name, size }) => [name, size]));
  const members = new Map<string, Finding<Record>>();
  for (const record of records) {
    const size = sizes.get(record.name);
    const said = size === undefined ? null : read(record);
    if (size === undefined || said === null) continue;
    for (const index of said.indexes.filter((each) => each < size)) {
      const finding = { record, index, report: said.report };
      const key = memberKey({ batch: record.name, index });
      const other = members.get(key);
      if (other === undefined || counts(finding, other)) members.set(key, finding);
    }
  }
  return members;
}

type Weighed = Finding<{ id: string }>;

/** Of a name that was submitted twice: what is alive counts, then what was submitted last. */
function counts(one: Weighed, other: Weighed): boolean {
  const difference = compareReports(one.report, other.report);
  return difference === 0 ? Number(one.record.id) > Number(other.record.id) : difference > 0;
}
