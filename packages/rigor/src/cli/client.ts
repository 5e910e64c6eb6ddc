import { createORPCClient } from "@orpc/client";
import { RPCLink } from "@orpc/client/fetch";
import type { Client } from "../api/contract/contract.ts";
import { dataDirectory, readDaemonFile, type DaemonFile } from "./daemon-file.ts";

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
