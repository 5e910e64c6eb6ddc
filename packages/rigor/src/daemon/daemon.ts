import { randomBytes, randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import { lockFileName, makeDataDirectory } from "../api/contract/data-directory.ts";
import { startServer } from "../api/server.ts";
import { Dispatcher } from "../bench/dispatcher.ts";
import { DataDirectory, type Lab } from "../bench/lab.ts";
import { Lanes } from "../bench/lanes.ts";
import { liveAttempts } from "../bench/queries.ts";
import { openPostgresStore, openSqliteStore } from "../store/open.ts";
import { takeOwnership } from "../store/ownership.ts";
import { takePostgresOwnership } from "../store/postgres-ownership.ts";
import type { Store } from "../store/store.ts";
import { refuseAttemptsElsewhere } from "./attempts-elsewhere.ts";
import { connector } from "./connections.ts";
import { describeOwner, removeDaemonFile, writeDaemonFile } from "./daemon-file.ts";
import type { DaemonOptions } from "./options.ts";

export interface Daemon {
  address: string;
  /** Finishes what is being written and lets go of everything. Jobs go on. */
  stop: () => Promise<void>;
}

/**
 * The composition root: the only place where concrete parts meet. The data directory is taken first, so that a
 * second daemon changes nothing; it is announced last, so that a client that finds it can use it.
 *
 * @param onStop called when a client asks the daemon to end
 * @param onLoss called when the shared database may have got another owner: the daemon must end at once
 */
export async function startDaemon(
  options: DaemonOptions,
  version: string,
  log: Logger,
  onStop: () => void,
  onLoss: (error: Error) => void,
): Promise<Daemon> {
  makeDataDirectory(options.directory);
  const data = new DataDirectory(options.directory);
  const ownership = takeOwnership(join(data.root, lockFileName), () => describeOwner(data.root));
  const shared = options.databaseUrl === null ? null : await takePostgresOwnership(options.databaseUrl, onLoss);
  const store = await openStore(options, data);
  refuseAttemptsElsewhere(await liveAttempts(store.db), data.root, shared !== null);
  const lanes = new Lanes(store, connector({ data, origin: store.origin, log }));
  const lab: Lab = { store, data, lanes, log, version };
  const dispatcher = new Dispatcher(lab);
  const instance = randomUUID();
  const token = randomBytes(32).toString("base64url");
  const startedAt = new Date().toISOString();
  const actor = `person:${userInfo().username}`;

  const server = await startServer({
    token,
    version,
    instance,
    log,
    hostname: options.hostname,
    port: options.port,
    context: () => ({
      lab,
      dispatcher,
      actor,
      daemon: { instance, address: server.address, started_at: startedAt, stop: onStop },
    }),
  });
  await shared?.announce(`pid ${process.pid} on ${hostname()} at ${server.address}`);
  await dispatcher.start();
  writeDaemonFile(data.root, {
    pid: process.pid,
    instance,
    address: server.address,
    token,
    version,
    data_directory: data.root,
    started_at: startedAt,
  });
  log.info({ address: server.address, pid: process.pid, database: store.dialect }, "ready");

  return {
    address: server.address,
    async stop() {
      removeDaemonFile(data.root, instance);
      await server.close();
      await dispatcher.stop();
      await lanes.close();
      await store.close();
      await shared?.release();
      ownership.release();
      log.info("stopped");
    },
  };
}

function openStore(options: DaemonOptions, data: DataDirectory): Promise<Store> {
  return options.databaseUrl === null ? openSqliteStore(data.database) : openPostgresStore(options.databaseUrl);
}
