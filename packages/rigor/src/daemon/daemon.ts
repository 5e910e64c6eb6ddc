import { randomBytes, randomUUID } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { join as joinPath } from "node:path";
import type { Logger } from "pino";
import { lockFileName, makeDataDirectory } from "../api/contract/data-directory.ts";
import type { ApiContext } from "../api/context.ts";
import { startServer } from "../api/server.ts";
import { Dispatcher } from "../bench/dispatch/dispatcher.ts";
import { followInTurn } from "../bench/needs/follow-needs.ts";
import { Driving } from "../bench/lab/driving.ts";
import { DataDirectory, type Lab } from "../bench/lab/lab.ts";
import { Lanes } from "../bench/lab/lanes.ts";
import { Offers } from "../bench/lab/offers.ts";
import { liveAttempts } from "../bench/records/attempt-queries.ts";
import { openPostgresStore, openSqliteStore } from "../store/open.ts";
import { takeOwnership } from "../store/ownership.ts";
import { Drivers } from "../store/drivers.ts";
import type { Store } from "../store/store.ts";
import { makeBoard } from "./board.ts";
import { refuseAttemptsElsewhere } from "./attempts-elsewhere.ts";
import { connector } from "./connections.ts";
import { describeOwner, removeDaemonFile, removePid, writeDaemonFile, writePid } from "./daemon-file.ts";
import { memberOf } from "./member.ts";
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
 * @param onLoss called when another daemon has taken over what this one drove: it must end at once
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
  const ownership = takeOwnership(joinPath(data.root, lockFileName), () => describeOwner(data.root));
  writePid(data.root);
  const store = await openStore(options, data);
  store.closeTurnsWith(followInTurn);
  const drivers = await join(options, store, data, version, onLoss);
  if (drivers === null) refuseAttemptsElsewhere(await liveAttempts(store.db), data.root);
  const driving = new Driving(drivers === null ? null : { drivers, offers: new Offers(store) });
  const lanes = new Lanes(store, connector({ data, origin: store.origin, log }), driving.member);
  const lab: Lab = { store, data, lanes, driving, log, version };
  const dispatcher = new Dispatcher(lab);
  const board = makeBoard(
    lab,
    dispatcher,
    () => server.address,
    () => [token],
    options,
  );
  const instance = randomUUID();
  const token = randomBytes(32).toString("base64url");
  const startedAt = new Date().toISOString();
  const stopping = new AbortController();
  const actor = `person:${userInfo().username}`;

  const context = (): ApiContext => ({
    lab,
    dispatcher,
    board,
    actor,
    daemon: { instance, address: server.address, started_at: startedAt, stopping: stopping.signal, stop: onStop },
  });
  const server = await startServer({
    token,
    version,
    instance,
    log,
    hostname: options.hostname,
    port: options.port,
    context,
    tools: async (request) => {
      const { toolEndpoint } = await import("../mcp/endpoint.ts");
      return toolEndpoint(context, version, log)(request);
    },
  });
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
  board.conductor.start();

  return {
    address: server.address,
    async stop() {
      removeDaemonFile(data.root, instance);
      stopping.abort();
      await board.conductor.stop();
      await server.close();
      await dispatcher.stop();
      await lanes.close();
      await drivers?.leave();
      await store.close();
      removePid(data.root);
      ownership.release();
      log.info("stopped");
    },
  };
}

/** Joins the daemons that share the database; null where that is this one's alone. */
async function join(
  { databaseUrl, patience }: DaemonOptions,
  store: Store,
  data: DataDirectory,
  version: string,
  onLost: (error: Error) => void,
): Promise<Drivers | null> {
  if (databaseUrl === null) return null;
  const facts = {
    member: memberOf(data.root),
    host: hostname(),
    pid: process.pid,
    data_directory: data.root,
    version,
  };
  return Drivers.join(store, databaseUrl, facts, { patience, onLost });
}

function openStore(options: DaemonOptions, data: DataDirectory): Promise<Store> {
  return options.databaseUrl === null ? openSqliteStore(data.database) : openPostgresStore(options.databaseUrl);
}
