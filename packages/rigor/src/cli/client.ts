import { createORPCClient } from "@orpc/client";
import { RPCLink } from "@orpc/client/fetch";
import type { Client } from "../api/contract/contract.ts";
import { instanceHeader, type DaemonFile } from "../api/contract/daemon-file.ts";
import { dataDirectory } from "../api/contract/data-directory.ts";
import { readDaemonFile } from "./daemon-file.ts";
import { AnotherServerError } from "./failure.ts";

/** The daemon that runs now, without starting one; null if the data directory has none. */
export function findDaemon(environment: NodeJS.ProcessEnv): { daemon: DaemonFile; client: Client } | null {
  const daemon = readDaemonFile(dataDirectory(environment));
  return daemon === null ? null : { daemon, client: connect(() => daemon) };
}

type Around = <T>(send: () => Promise<T>) => Promise<T>;

/** A client for whichever daemon is the present one when a request is sent. */
export function connect(
  present: () => Pick<DaemonFile, "address" | "token" | "instance">,
  around: Around = (send) => send(),
): Client {
  const link = new RPCLink({
    url: () => `${present().address}/rpc`,
    headers: () => ({ authorization: `Bearer ${present().token}` }),
    fetch: (request, init) => askDaemon(present().instance, request, init),
    interceptors: [async ({ next }) => around(next)],
  });
  return createORPCClient<Client>(link);
}

/** Takes an answer only from the daemon that was meant: its port may belong to another program by now. */
async function askDaemon(instance: string, request: Request, init: RequestInit): Promise<Response> {
  const response = await fetch(request, init);
  if (response.headers.get(instanceHeader) === instance) return response;
  await response.body?.cancel();
  throw new AnotherServerError();
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
