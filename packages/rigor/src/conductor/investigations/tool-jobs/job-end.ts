import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { receiveArtifact } from "../../../agents/tool-servers/artifacts.ts";
import type { Lab } from "../../../bench/lab/lab.ts";
import { AttemptDirectory } from "../../../compute/attempt/attempt-directory.ts";
import type { Handle, JobStatus } from "../../../compute/executor.ts";
import type { ToolJobRecord } from "../../../domain/investigations/records.ts";

/** Milliseconds between two looks at a job that was told to end, and for which it is looked at. */
const pauseMs = 500;
const patienceMs = 60_000;

export type OverStatus = Extract<JobStatus, { state: "ended" | "gone" }>;

export const handleOf = ({ id, investigation_id }: ToolJobRecord): Handle => ({
  attempt: id,
  run: investigation_id,
});

/** How the job of a tool server ended, in a sentence or two. */
export function endOf(status: OverStatus): string {
  if (status.state === "gone") return status.withdrawn ? "Its job was cancelled there." : status.evidence;
  const { reason, signal, code } = status.exit;
  if (reason === "time-limit") return "The time limit of its job was reached.";
  if (reason === "cancelled" || reason === "terminated") return "Its job was ended there.";
  return signal === null ? `It ended with status ${code}.` : `Signal ${signal} ended it.`;
}

/** Writes that a job is over, unless that is on record. */
export async function vacate({ store }: Pick<Lab, "store">, { id, investigation_id }: ToolJobRecord, evidence: string) {
  await store.transact("conductor", async (transaction) => {
    const { db } = transaction;
    const row = await db.selectFrom("tool_jobs").select("ended_at").where("id", "=", id).executeTakeFirst();
    if (row?.ended_at !== null) return;
    await transaction.append([
      { kind: "investigation.vacated", entity: investigation_id, data: { job: id, evidence } },
    ]);
  });
}

/**
 * Ends the job of a tool server that is not wanted any more, brings what it left, and writes that it is over. Nobody may
 * submit it meanwhile.
 *
 * @param artifacts folder of the investigation
 * @throws RigorError `unreachable`, and for whatever else kept it from being known to have ended
 */
export async function endJob(lab: Lab, record: ToolJobRecord, artifacts: string): Promise<void> {
  const { executor } = await lab.lanes.reopen(record.compute_id);
  const handle = handleOf(record);
  const look = async () => (await executor.status([handle])).get(record.id);
  const deadline = performance.now() + patienceMs;
  let status = await look();
  if (!isOver(status)) await executor.cancel([handle]);
  for (status = await look(); !isOver(status); status = await look()) {
    // It was never submitted, and is withdrawn.
    if (status?.state === "unclaimed") return vacate(lab, record, "It was not started.");
    if (performance.now() > deadline) throw new Error(`the job ${record.id} was told to end, and is ${status?.state}`);
    await sleep(pauseMs);
  }
  if (status.state === "ended") {
    await keepArtifacts(lab, record, artifacts).catch((error: unknown) => {
      lab.log.warn({ err: error, job: record.id }, "not all artifacts of a tool server came");
    });
  }
  await vacate(lab, record, endOf(status));
}

export const isOver = (status: JobStatus | undefined): status is OverStatus =>
  status?.state === "ended" || status?.state === "gone";

/** What came with the end of a job, and not before. */
async function keepArtifacts({ data }: Lab, record: ToolJobRecord, artifacts: string): Promise<void> {
  const { output } = AttemptDirectory.in(data.root, record.investigation_id, record.id);
  const left = join(output, "artifacts");
  if (!existsSync(left) || !existsSync(artifacts)) return;
  for (const entry of readdirSync(left, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (!entry.isFile()) continue;
    const path = relative(left, file);
    const here = statSync(join(artifacts, path), { throwIfNoEntry: false });
    if (here?.size !== statSync(file).size) await receiveArtifact(createReadStream(file), artifacts, path);
  }
}
