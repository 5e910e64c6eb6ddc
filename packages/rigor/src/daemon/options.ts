import { dataDirectory } from "../api/contract/data-directory.ts";
import { RigorError } from "../domain/errors.ts";

/** What the environment asks of the daemon. */
export interface DaemonOptions {
  /** Where everything is kept: `RIGOR_HOME`, else `~/.rigor`. */
  directory: string;
  /** `RIGOR_DATABASE_URL`: a PostgreSQL server instead of the embedded database. */
  databaseUrl: string | null;
  /**
   * `RIGOR_TAKEOVER`: seconds after its last sign of life in which nobody takes what this daemon drives, where several
   * share the database.
   */
  patience: number;
  /** `RIGOR_TOOL_PATIENCE`: seconds without an answer after which a tool server on a compute counts as lost. */
  toolSeconds: number;
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
  const patience = secondsOf(environment, "RIGOR_TAKEOVER", { otherwise: 30, least: 5, most: 3_600 });
  const toolSeconds = secondsOf(environment, "RIGOR_TOOL_PATIENCE", { otherwise: 600, least: 20, most: 86_400 });
  const hostname = environment["RIGOR_HOST"] || "127.0.0.1";
  if (!["127.0.0.1", "localhost", "::1"].includes(hostname)) {
    throw new RigorError("usage", `RIGOR_HOST is ${hostname}, which is not this machine's loopback address.`, {
      next: "Leave it away, and reach the lab from elsewhere through `ssh -L`.",
    });
  }
  const databaseUrl = environment["RIGOR_DATABASE_URL"] || null;
  // Its password is in no message.
  if (databaseUrl !== null && !/^postgres(ql)?:\/\//.test(databaseUrl)) {
    throw new RigorError("usage", "RIGOR_DATABASE_URL does not name a PostgreSQL database.", {
      next: "It begins with postgres://, as in postgres://USER@HOST/DATABASE. Without it, the embedded database is used.",
    });
  }
  return {
    directory: dataDirectory(environment),
    databaseUrl,
    patience,
    toolSeconds,
    hostname,
    port,
  };
}

/** @throws RigorError `usage` */
function secondsOf(
  environment: NodeJS.ProcessEnv,
  name: string,
  { otherwise, least, most }: { otherwise: number; least: number; most: number },
): number {
  const seconds = Number(environment[name] || otherwise);
  if (Number.isInteger(seconds) && seconds >= least && seconds <= most) return seconds;
  throw new RigorError("usage", `${name} is ${environment[name]}.`, {
    next: `Give a number of seconds from ${least} to ${most}.`,
  });
}
