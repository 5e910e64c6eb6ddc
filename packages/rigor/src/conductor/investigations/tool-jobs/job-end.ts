import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readRole } from "../../../agents/roles/read-role.ts";
import { receiveArtifact } from "../../../agents/tool-servers/artifacts.ts";
import type { Lab } from "../../../bench/lab/lab.ts";
import { AttemptDirectory } from "../../../compute/attempt/attempt-directory.ts";
import type { Handle, JobStatus } from "../../../compute/executor.ts";
import type { InvestigationRecord, ToolJobRecord } from "../../../domain/investigations/records.ts";
import { InvestigationDirectory } from "../directory.ts";

/** Milliseconds between two looks at a job that was told to end, and for which it is looked at. */
const pauseMs = 500;
const patienceMs = 60_000;

/** Where an investigation is, and its repository. */
type Place = Pick<InvestigationRecord, "project" | "directory">;

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
 * @param place of the investigation
 * @throws RigorError `unreachable`, and for whatever else kept it from being known to have ended
 */
export async function endJob(lab: Lab, record: ToolJobRecord, place: Place): Promise<void> {
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
    await keepArtifacts(lab, record, place).catch((error: unknown) => {
      lab.log.warn({ err: error, job: record.id }, "not all artifacts of a tool server came");
    });
  }
  await vacate(lab, record, endOf(status));
}

export const isOver = (status: JobStatus | undefined): status is OverStatus =>
  status?.state === "ended" || status?.state === "gone";

/** What came with the end of a job, and not before. */
async function keepArtifacts({ data }: Lab, record: ToolJobRecord, { project, directory }: Place): Promise<void> {
  const { output } = AttemptDirectory.in(data.root, record.investigation_id, record.id);
  const { size } = readRole(project, "investigator").limits;
  await copyArtifacts(join(output, "artifacts"), new InvestigationDirectory(directory).artifacts, size);
}

/**
 * Copies the files of a folder that the other one lacks.
 *
 * @param mostBytes that they may take together: a server whose keeper was killed may have left any number
 */
export async function copyArtifacts(left: string, artifacts: string, mostBytes: number): Promise<void> {
  if (!existsSync(left) || !existsSync(artifacts)) return;
  const files = readdirSync(left, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const sizes = new Map(files.map((file) => [file, statSync(file).size]));
  const bytes = sizes.values().reduce((all, size) => all + size, 0);
  if (bytes > mostBytes)
    throw new Error(`they take ${bytes} bytes, and may take ${mostBytes}; they are left in ${left}`);
  for (const [file, size] of sizes) {
    const path = relative(left, file);
    const here = statSync(join(artifacts, path), { throwIfNoEntry: false });
    if (here?.size !== size) await receiveArtifact(createReadStream(file), artifacts, path);
  }
}
