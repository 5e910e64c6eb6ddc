import { unreadable } from "./commands.ts";
import { type PbsRecord, readPbsJson } from "./pbs-json.ts";

/** What a server of PBS and its queues say that matters here. */
export interface PbsFacts {
  version: string;
  array_limit: number;
  /** Whether it keeps jobs that have ended. */
  history: boolean;
  /** Why the queue takes or starts no jobs. */
  problems: string[];
}

/** From the sources: what holds where neither the server nor the queue has a limit. */
const usualArrayLimit = 10_000;

/**
 * Reads the answers to `qstat -B -f -F json` and `qstat -Q -f -F json`.
 *
 * @param queue null for the server's default
 * @throws RigorError `scheduler` for answers that are not whole
 */
export function readPbsFacts(serverAnswer: string, queueAnswer: string, queue: string | null): PbsFacts {
  const [server] = readPbsJson(serverAnswer, "Server")?.values() ?? [];
  if (server === undefined) throw unreadable("qstat", serverAnswer);
  const version = textOf(server, "pbs_version") ?? /"pbs_version":\s*"([^"]+)"/.exec(serverAnswer)?.[1];
  const name = queue ?? textOf(server, "default_queue");
  const found = name === undefined ? undefined : readPbsJson(queueAnswer, "Queue")?.get(name);
  const limits = [server, found].flatMap((record) => numberOf(record, "max_array_size") ?? []);
  return {
    version: version === undefined ? "PBS" : `PBS ${version}`,
    array_limit: Math.max(1, limits.length === 0 ? usualArrayLimit : Math.min(...limits)),
    history: textOf(server, "job_history_enable") === "True",
    problems: [
      ...(textOf(found, "enabled") === "False" ? [`Queue is not enabled: ${name}`] : []),
      ...(textOf(found, "started") === "False" ? [`Queue is not started: ${name}`] : []),
    ],
  };
}

function textOf(record: PbsRecord | undefined, name: string): string | undefined {
  const value = record?.get(name);
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? capitalized(String(value))
    : undefined;
}

/** `True` and `False` are words of PBS, which its JSON may give as such or as truth values. */
const capitalized = (text: string): string => (text === "true" ? "True" : text === "false" ? "False" : text);

function numberOf(record: PbsRecord | undefined, name: string): number | undefined {
  const value = Number(textOf(record, name));
  return Number.isSafeInteger(value) ? value : undefined;
}
