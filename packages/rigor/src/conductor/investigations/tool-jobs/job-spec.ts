import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { gpuVariables } from "../../../bench/attempts/job.ts";
import type { Lane } from "../../../bench/lab/lane.ts";
import { AttemptDirectory, attemptPath } from "../../../compute/attempt/attempt-directory.ts";
import type { JobSpec } from "../../../compute/attempt/job.ts";
import type { Environment, Experiment } from "../../../domain/experiment.ts";
import { expandVariables, type StartedServer } from "../../../domain/files/tool-servers.ts";
import {
  environment as environmentSchema,
  resources as resourcesSchema,
} from "../../../domain/files/experiment-schema.ts";
import type { ToolJobRecord } from "../../../domain/investigations/records.ts";
import type { Staged } from "../../../provenance/staging/stager.ts";
import type { JobSecret } from "./job-secret.ts";
import type { ToolPatience } from "./patience.ts";

const heartbeatSeconds = 10;
const graceSeconds = 10;

/** Where the server itself is given its port. */
const portMark = "\u{1F50C}port\u{1F50C}";

export const resourcesOf = (server: StartedServer): Experiment["resources"] => resourcesSchema.parse(server.resources);

export function environmentOf(server: StartedServer): Environment {
  const { lock = null, ...environment } = environmentSchema.parse(server.environment);
  return { ...environment, lock };
}

export interface ToolJobFacts {
  record: ToolJobRecord;
  server: StartedServer;
  secret: JobSecret;
  staged: Staged;
  lane: Pick<Lane, "isHere" | "isPlaced">;
  /** Folder of all attempts on the machine that it runs on. */
  attemptsRoot: string;
  /** The job that the server was before, whose data it goes on with. */
  previous: string | null;
  /** What its artifacts may take. */
  mostBytes: number;
  patience: ToolPatience;
}

/**
 * The job that a tool server is on a compute: a program of ours that keeps it (`templates/tool-server.py`). How the server
 * is started may hold secrets, and travels with them.
 */
export function jobOfTool(facts: ToolJobFacts): JobSpec {
  const { record, server, secret, staged, lane, previous, mostBytes, patience } = facts;
  const output = outputOf(facts, record.id);
  const environment = environmentOf(server);
  const resources = resourcesOf(server);
  const told = {
    RIGOR_INVESTIGATION: record.investigation_id,
    RIGOR_ARTIFACTS: `${output}/artifacts`,
    RIGOR_TOOL_DATA: `${output}/data`,
  };
  const values = { ...process.env, ...told, RIGOR_TOOL_TOKEN: secret.token, PORT: portMark };
  const port_env = server.http?.port_env ?? null;
  const expand = (text: string) =>
    expandVariables(text, port_env === null ? values : { ...values, [port_env]: portMark });
  const plan = {
    command: [server.command, ...server.args].map(expand),
    environment: Object.fromEntries(Object.entries(server.env).map(([name, value]) => [name, expand(value)])),
    port_env,
    port_mark: portMark,
    token: secret.token,
    announce: secret.announce,
    is_networked: !lane.isPlaced,
    most_bytes: mostBytes,
    unattended_seconds: patience.unattendedSeconds,
    data: told.RIGOR_TOOL_DATA,
    artifacts: told.RIGOR_ARTIFACTS,
    previous_data: previous === null ? null : `${outputOf(facts, previous)}/data`,
  };
  const passed = environment.pass.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  );
  return {
    attempt: record.id,
    run: record.investigation_id,
    command: keeperCommand(),
    working_directory: staged.directory,
    environment: {
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONUNBUFFERED: "1",
      ...environment.variables,
      ...staged.environment.variables,
      ...(lane.isHere ? { PATH: [...staged.environment.path_prefix, process.env["PATH"] ?? ""].join(delimiter) } : {}),
      ...gpuVariables(resources.gpus, lane.isPlaced ? record.lease.gpus : null),
      ...told,
    },
    ...(lane.isHere ? {} : { path_prefix: staged.environment.path_prefix }),
    secrets: {
      ...(Object.fromEntries(passed) as Record<string, string>),
      RIGOR_TOOL_TOKEN: secret.token,
      RIGOR_TOOL_PLAN: JSON.stringify(plan),
    },
    parameters: {},
    outputs: ["artifacts"],
    most_output: mostBytes,
    time_limit: resources.time,
    resources,
    grace: graceSeconds,
    heartbeat: heartbeatSeconds,
  };
}

const outputOf = ({ record, attemptsRoot }: ToolJobFacts, job: string): string =>
  new AttemptDirectory(join(attemptsRoot, attemptPath(record.investigation_id, job))).output;

function keeperCommand(): string {
  const program = readFileSync(new URL("../../../../templates/tool-server.py", import.meta.url), "utf8");
  return [
    "if ! command -v python3 >/dev/null; then",
    "  echo 'rigor: a tool server on a compute needs python3 there, 3.6 or newer' >&2",
    "  exit 127",
    "fi",
    `cat >"$RIGOR_OUTPUT/tool-server.py" <<'RIGOR_END_OF_PROGRAM'`,
    program.trimEnd(),
    "RIGOR_END_OF_PROGRAM",
    'exec python3 "$RIGOR_OUTPUT/tool-server.py"',
  ].join("\n");
}
