import type { Client } from "../api/contract/contract.ts";
import type { DaemonFile } from "../api/contract/daemon-file.ts";
import { RigorError } from "../domain/errors.ts";
import { cameFromAnother, connect } from "./client.ts";
import { dataDirectory, readDaemonFile } from "./daemon-file.ts";
import { isRefusedConnection } from "./failure.ts";
import { packageVersion } from "./version.ts";

export { connect };

/** A connection to the daemon that outlives the daemon: when nothing answers any more, another one is started. */
export interface Lab {
  readonly client: Client;
  readonly directory: string;
  /** The daemon that is used now. */
  readonly daemon: DaemonFile;
  /** True when this program started it. */
  readonly started: boolean;
}

/**
 * Connects to the daemon of a data directory, and starts one if none answers.
 *
 * @throws RigorError `daemon` if the daemon is of another version or cannot be trusted, or why it does not start.
 */
export async function openLab(environment: NodeJS.ProcessEnv, note: (line: string) => void): Promise<Lab> {
  const directory = dataDirectory(environment);
  const found = readDaemonFile(directory);
  const lab = { daemon: found ?? (await revive(null)), started: found === null, directory };
  checkVersion(lab.daemon);

  async function revive(dead: DaemonFile | null): Promise<DaemonFile> {
    const { startDaemon } = await import("./start-daemon.ts");
    return startDaemon({ directory, environment, dead });
  }

  /** A request that was refused never arrived, so that it can be sent again, whatever it asks for. */
  async function sendAgain<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      if (!isRefusedConnection(error) && !(await cameFromAnother(error, lab.daemon))) throw error;
      if (lab.started || wasAsked) note("The daemon has ended; starting it again.");
      lab.daemon = await revive(lab.daemon);
      lab.started = true;
      checkVersion(lab.daemon);
      return send();
    }
  }

  let wasAsked = false;
  const client = connect(
    () => lab.daemon,
    async (send) => {
      const answer = await sendAgain(send);
      wasAsked = true;
      return answer;
    },
  );
  return Object.assign(lab, { client });
}

function checkVersion(daemon: DaemonFile): void {
  const version = packageVersion();
  if (daemon.version === version) return;
  throw new RigorError("daemon", `The daemon is Rigor ${daemon.version}, this program is ${version}.`, {
    next: "`rigor down` ends it (jobs go on), then the same command starts the new one.",
  });
}
