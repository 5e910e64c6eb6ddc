import { createORPCClient } from "@orpc/client";
import { RPCLink } from "@orpc/client/fetch";
import type { Client } from "../api/contract/contract.ts";
import type { DaemonFile } from "../api/contract/daemon-file.ts";
import { dataDirectory, readDaemonFile } from "./daemon-file.ts";
import { isConnectionFailure, isRefusal } from "./failure.ts";

/** The daemon that runs now, without starting one; null if the data directory has none. */
export function findDaemon(environment: NodeJS.ProcessEnv): { daemon: DaemonFile; client: Client } | null {
  const daemon = readDaemonFile(dataDirectory(environment));
  return daemon === null ? null : { daemon, client: connect(() => daemon) };
}

type Around = <T>(send: () => Promise<T>) => Promise<T>;

/** A client for whichever daemon is the present one when a request is sent. */
export function connect(
  present: () => Pick<DaemonFile, "address" | "token">,
  around: Around = (send) => send(),
): Client {
  const link = new RPCLink({
    url: () => `${present().address}/rpc`,
    headers: () => ({ authorization: `Bearer ${present().token}` }),
    interceptors: [async ({ next }) => around(next)],
  });
  return createORPCClient<Client>(link);
}

/** Whether the daemon that wrote the file is there, and not another server at its address. */
export async function answers(file: DaemonFile): Promise<boolean> {
  try {
    const health = await connect(() => file).system.health(undefined, { signal: AbortSignal.timeout(2_000) });
    return health.instance === file.instance;
  } catch {
    // Whatever the reason, it does not answer now.
    return false;
  }
}

/** Whether an error was the answer of another server, which has the port of a daemon that died: nothing was done then. */
export async function cameFromAnother(error: unknown, daemon: DaemonFile): Promise<boolean> {
  return isRefusal(error) && !isConnectionFailure(error) && !(await answers(daemon));
}
