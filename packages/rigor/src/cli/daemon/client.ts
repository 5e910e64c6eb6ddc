import { createORPCClient } from "@orpc/client";
import type { Client } from "../../api/contract/contract.ts";
import type { DaemonFile } from "../../api/contract/daemon-file.ts";
import { dataDirectory } from "../../api/contract/data-directory.ts";
import { readDaemonFile } from "./daemon-file.ts";
import { daemonLink, type PresentDaemon } from "./link.ts";

/** The daemon that runs now, without starting one; null if the data directory has none. */
export function findDaemon(environment: NodeJS.ProcessEnv): { daemon: DaemonFile; client: Client } | null {
  const daemon = readDaemonFile(dataDirectory(environment));
  return daemon === null ? null : { daemon, client: connect(() => daemon) };
}

/**
 * A client for whichever daemon is the present one when a request is sent.
 *
 * @param around is given each request to send it, once or again
 */
export function connect(
  present: () => PresentDaemon,
  around: <T>(send: () => Promise<T>) => Promise<T> = (send) => send(),
): Client {
  return createORPCClient<Client>(daemonLink(present, around));
}

/** Whether the daemon that wrote the file is there. */
export async function answers(file: DaemonFile): Promise<boolean> {
  try {
    await connect(() => file).system.health(undefined, { signal: AbortSignal.timeout(2_000) });
    return true;
  } catch {
    // Whatever the reason, it does not answer now.
    return false;
  }
}
