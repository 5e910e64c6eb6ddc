import { dataDirectory } from "../api/contract/data-directory.ts";
import { RigorError } from "../domain/errors.ts";

/** What the environment asks of the daemon. */
export interface DaemonOptions {
  /** Where everything is kept: `RIGOR_HOME`, else `~/.rigor`. */
  directory: string;
  /** `RIGOR_DATABASE_URL`: a PostgreSQL server instead of the embedded database. */
  databaseUrl: string | null;
  /** `RIGOR_HOST`: loopback unless the user says otherwise. */
  hostname: string;
  /** `RIGOR_PORT`; 0 takes any free one. */
  port: number;
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

/** `RIGOR_LOG`; null for a level that there is not, which {@link readOptions} refuses. */
export function logLevel(environment: NodeJS.ProcessEnv): string | null {
  const level = environment["RIGOR_LOG"] || "info";
  return logLevels.includes(level) ? level : null;
}

/** @throws RigorError `usage` for a value that cannot be used. */
export function readOptions(environment: NodeJS.ProcessEnv): DaemonOptions {
  if (logLevel(environment) === null) {
    const next = `Use one of: ${logLevels.join(", ")}.`;
    throw new RigorError("usage", `RIGOR_LOG is ${environment["RIGOR_LOG"]}.`, { next });
  }
  const port = Number(environment["RIGOR_PORT"] ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RigorError("usage", `RIGOR_PORT is ${environment["RIGOR_PORT"]}.`, {
      next: "Give a number from 0 to 65535.",
    });
  }
  const hostname = environment["RIGOR_HOST"] || "127.0.0.1";
  if (!["127.0.0.1", "localhost", "::1"].includes(hostname)) {
    throw new RigorError("usage", `RIGOR_HOST is ${hostname}, which is not this machine's loopback address.`, {
      next: "Leave it away, and reach the lab from elsewhere through `ssh -L`.",
    });
  }
  return {
    directory: dataDirectory(environment),
    databaseUrl: environment["RIGOR_DATABASE_URL"] || null,
    hostname,
    port,
  };
}
