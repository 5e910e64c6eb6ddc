import type { Client } from "../../api/contract/contract.ts";
import type { DaemonFile } from "../../api/contract/daemon-file.ts";
import { dataDirectory } from "../../api/contract/data-directory.ts";
import { RigorError } from "../../domain/errors.ts";
import { connect } from "./client.ts";
import { readDaemonFile } from "./daemon-file.ts";
import { isUnheard } from "../output/failure.ts";
import { isAlive } from "./processes.ts";
import { packageVersion } from "../version.ts";

export { connect };

/**
 * A connection to the daemon that outlives a daemon that dies: another one is then started. One that somebody stopped
 * while it was in use is left alone.
 */
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
  // The dead are not asked: their port may belong to a program that never answers.
  const present = found !== null && isAlive(found.pid) ? found : null;
  const lab = { daemon: present ?? (await revive(found)), started: present === null, directory };
  checkVersion(lab.daemon);

  async function revive(dead: DaemonFile | null): Promise<DaemonFile> {
    const { startDaemon } = await import("./start-daemon.ts");
    return startDaemon({ directory, environment, dead, note });
  }

  /** A request that no daemon heard changed nothing, so that it can be sent again, whatever it asks for. */
  async function sendAgain<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } catch (error) {
      if (!isUnheard(error)) throw error;
      // Whoever stops a daemon means it, and only an orderly end removes the file.
      if (wasAsked && readDaemonFile(directory) === null) throw new DaemonStoppedError();
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

/** Somebody stopped the daemon that was in use: it is not for us to start it again. */
export class DaemonStoppedError extends RigorError {
  constructor() {
    super("daemon", "The daemon was stopped.", {
      next: "Runs under way go on, and no other starts. Any command, such as `rigor status`, starts the daemon again.",
    });
  }
}

function checkVersion(daemon: DaemonFile): void {
  const version = packageVersion();
  if (daemon.version === version) return;
  throw new RigorError("daemon", `The daemon is Rigor ${daemon.version}, this program is ${version}.`, {
    next: "`rigor down` ends it (jobs go on), then the same command starts the new one.",
  });
}
