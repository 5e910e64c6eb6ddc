import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { hasSamePlace, sendSignal, visitEnvironments } from "../../hosts/processes.ts";
import { addUsage, type TranscriptRecord } from "../transcripts/entry.ts";
import { Masker, secretsOf } from "../transcripts/masking.ts";
import { readTranscript, Transcript, usageIn } from "../transcripts/transcript.ts";
import { Account, type AgentReader } from "./account.ts";
import { endRemains, sessionVariable } from "./agent-process.ts";
import type { SessionEnd, SessionOrder } from "./backend.ts";
import { SessionDirectory } from "./session-directory.ts";
import { nextFor } from "./verdict.ts";

/**
 * Settles a session whose daemon has gone: ends what is left of its process, and takes what that wrote into the
 * transcript.
 *
 * @returns how it ended, where the agent had said so; null where it did not come to its end, and can be resumed
 */
export async function settleSession(
  order: SessionOrder,
  agent: { makeReader: (started: number) => AgentReader; credentialsHelp: string },
): Promise<SessionEnd | null> {
  const directory = new SessionDirectory(order.directory);
  await endProcess(directory);
  const transcript = transcriptOf(order);
  let end: SessionEnd | null = null;
  for (const number of directory.untold()) {
    const records = await readTranscript(transcript.path);
    const begun = records.findIndex(({ source }) => source?.[0] === number);
    const started = Date.parse(records[begun]?.time ?? "");
    const reader = agent.makeReader(started);
    const account = new Account({ directory, transcript, number, reader, told: lastLine(records, number) });
    await account.takeIn(true);
    const used = addUsage(usageIn(records.slice(0, begun)), { ...reader.used(), seconds: 0 });
    // Time in which nobody watched it is not counted: no clock measured it.
    const seconds = Math.max(used.seconds, usageIn(records).seconds, directory.watched(number));
    const usage = { ...used, seconds };
    const verdict = account.reader.problem() ?? account.reader.verdict();
    if (verdict !== null) end = await account.conclude(verdict, usage, nextFor(verdict.outcome, agent.credentialsHelp));
    else {
      await account.add(
        { kind: "notice", text: "Its process was ended, because nobody followed it." },
        { kind: "usage", usage },
      );
      directory.removeOutput(number);
    }
  }
  directory.forgetProcess();
  return end;
}

/**
 * Ends processes of sessions whose daemon has gone, wherever a session's directory or a process's environment tells
 * of them. What was started by somebody else is left alone.
 *
 * @param sessions the folder of the sessions' directories
 * @returns the directories of sessions of which something was still running
 */
export async function endOrphans(sessions: string): Promise<string[]> {
  const found = new Set<string>();
  for (const name of readdirSync(sessions)) {
    const path = join(sessions, name);
    if (await endProcess(new SessionDirectory(path))) found.add(path);
  }
  // One that was started right before its daemon died is in no record.
  await visitEnvironments(sessionVariable, (pid, directory) => {
    if (dirname(directory) !== sessions || !hasSamePlace(pid, sessions)) return;
    if (sendSignal(pid, "SIGKILL")) found.add(directory);
  });
  return [...found];
}

/** Whether anything of a session's last process was still there. */
async function endProcess(directory: SessionDirectory): Promise<boolean> {
  const record = directory.readProcess();
  if (record === null) return false;
  const ended = await endRemains(record, directory.path);
  directory.forgetProcess();
  return ended > 0;
}

/** The transcript of a session, which knows what must not be seen. */
export function transcriptOf(order: SessionOrder): Transcript {
  const { lab, servers } = order.tools;
  const tokens = [lab, ...Object.values(servers)].map((server) => server.token);
  const secrets = [...tokens, ...order.secrets, ...secretsOf(order.environment)];
  return new Transcript(new SessionDirectory(order.directory).transcript, new Masker(secrets));
}

/** Number of the last process that a transcript tells of. */
export function lastProcess(records: readonly TranscriptRecord[]): number {
  return records.findLast(({ source }) => source !== null)?.source?.[0] ?? 0;
}

function lastLine(records: readonly TranscriptRecord[], process: number): number {
  return records.findLast(({ source }) => source?.[0] === process)?.source?.[1] ?? 0;
}
