import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { RigorError } from "../../../domain/errors.ts";
import type { Backend, BackendProbe, RunningSession, SessionEnd, SessionOrder } from "../backend.ts";
import { goOn, serverTokens, tokenVariable } from "../common.ts";
import { probeProgram } from "../probe.ts";
import { startSession } from "../session.ts";
import { daemonAnew } from "../verdict.ts";
import { SessionDirectory } from "../session-directory.ts";
import { settleSession } from "../settle.ts";
import { CodexEvents } from "./events.ts";
import { findRollout, RolloutUsage } from "./rollout.ts";

export interface CodexOptions {
  /** The program; by default `codex`, found by the `PATH` of the session's environment. */
  command?: string;
}

/** Without one of these an older version would use what the user has configured. */
const neededFlags = ["--json", "--ignore-user-config", "--ignore-rules", "--strict-config", "--skip-git-repo-check"];

const install = "Install Codex with `npm install -g @openai/codex`, or set `agents.codex.command`.";

const credentialsHelp = `Set OPENAI_API_KEY or CODEX_API_KEY to a key that is valid. ${daemonAnew}`;

/** What Codex has beside the tools of a role: parts of a desktop, helpers of its own, what users have installed. */
const unusedFeatures = [
  ...[
    "apps",
    "browser_use",
    "browser_use_external",
    "computer_use",
    "goals",
    "hooks",
    "image_generation",
    "multi_agent",
  ],
  ...["plugins", "remote_plugin", "skill_search", "tool_suggest"],
];

/**
 * Codex without a terminal.
 *
 * What the user has configured stays out: `CODEX_HOME` is the session's own, and neither the user's nor the project's
 * settings, instructions, rules and hooks are read. So it does not find the user's login either: its key comes from the
 * order's environment. Its own sandbox is used where the session has no other.
 */
export class Codex implements Backend {
  readonly name = "codex";
  readonly #command: string;

  constructor(options: CodexOptions = {}) {
    this.#command = options.command ?? "codex";
  }

  async probe(): Promise<BackendProbe> {
    const needs = { install, update: "Run `codex update`.", neededFlags };
    return await probeProgram(this.#command, needs, ["exec", "--help"]);
  }

  async start(order: SessionOrder): Promise<RunningSession> {
    if (order.limits.cost !== null && order.price === null) {
      throw new RigorError(
        "not-possible",
        "Codex does not tell what it costs, so that its limit of cost cannot hold.",
        {
          next: "Set the price of its model in rigor.yaml, or give the role no limit of cost.",
        },
      );
    }
    const directory = new SessionDirectory(order.directory);
    directory.make();
    mkdirSync(codexHome(directory), { recursive: true, mode: 0o700 });
    const thread = order.resume ? (findRollout(codexHome(directory))?.thread ?? null) : null;
    return await startSession(order, {
      backend: this.name,
      version: null,
      command: [this.#command, "exec", ...(thread === null ? [] : ["resume", thread]), ...flags(order), "-"],
      environment: environment(directory, order),
      prompt: thread === null ? order.brief : goOn,
      resumed: thread !== null,
      ...agent(order),
    });
  }

  async settle(order: SessionOrder): Promise<SessionEnd | null> {
    return await settleSession(order, agent(order));
  }
}

function agent(order: SessionOrder) {
  const home = codexHome(new SessionDirectory(order.directory));
  return {
    makeReader: (since: number) => new CodexEvents(new RolloutUsage(home, since), order.price),
    credentialsHelp,
  };
}

function codexHome(directory: SessionDirectory): string {
  return join(directory.home, ".codex");
}

function flags(order: SessionOrder): string[] {
  const settings = { ...ownSettings(order), ...serverSettings(order), ...serviceSettings(order) };
  return [
    ...["--json", "--skip-git-repo-check", "--ignore-user-config", "--ignore-rules", "--strict-config"],
    ...(order.model === null ? [] : ["--model", order.model]),
    // JSON of these values is TOML too.
    ...Object.entries(settings).flatMap(([key, value]) => ["--config", `${key}=${JSON.stringify(value)}`]),
  ];
}

type Settings = Record<string, string | number | boolean | string[]>;

function ownSettings(order: SessionOrder): Settings {
  const { native } = order.tools;
  const isWrapped = order.wrap(["true"]).length > 1;
  const mayWrite = native.includes("edit") || native.includes("shell");
  return {
    approval_policy: "never",
    sandbox_mode: isWrapped ? "danger-full-access" : mayWrite ? "workspace-write" : "read-only",
    project_doc_max_bytes: 0,
    allow_login_shell: false,
    check_for_update_on_startup: false,
    "analytics.enabled": false,
    "skills.include_instructions": false,
    web_search: native.includes("web") ? "live" : "disabled",
    // Its shell needs none of the agent's own keys.
    "shell_environment_policy.ignore_default_excludes": true,
    "shell_environment_policy.exclude": [
      "CODEX_API_KEY",
      "CODEX_ACCESS_TOKEN",
      "OPENAI_API_KEY",
      `${tokenVariable("")}*`,
    ],
    // Codex reads and searches by its shell.
    "features.shell_tool": native.length > 0,
    ...Object.fromEntries(unusedFeatures.map((name) => [`features.${name}`, false])),
  };
}

function serverSettings(order: SessionOrder): Settings {
  const { lab, labTools, servers } = order.tools;
  const all = Object.entries({ lab: { ...lab, tools: labTools }, ...servers });
  const settings = all.map(([name, { url, tools }], index): Settings => {
    const server = `mcp_servers.${name}`;
    return {
      [`${server}.url`]: url,
      [`${server}.bearer_token_env_var`]: tokenVariable(index),
      [`${server}.enabled_tools`]: [...tools],
      // Only those are there, and nobody could be asked.
      [`${server}.default_tools_approval_mode`]: "approve",
      [`${server}.required`]: true,
      [`${server}.tool_timeout_sec`]: order.limits.toolSeconds,
    };
  });
  return Object.assign({}, ...settings) as Settings;
}

/** `OPENAI_BASE_URL` names another service than OpenAI's, as it does for OpenAI's libraries. */
function serviceSettings(order: SessionOrder): Settings {
  const url = order.environment["OPENAI_BASE_URL"];
  if (url === undefined) return {};
  const provider = "model_providers.configured";
  return {
    model_provider: "configured",
    [`${provider}.name`]: "configured",
    [`${provider}.base_url`]: url,
    [`${provider}.env_key`]: "CODEX_API_KEY",
    [`${provider}.wire_api`]: "responses",
    [`${provider}.supports_websockets`]: false,
  };
}

function environment(directory: SessionDirectory, order: SessionOrder): Record<string, string> {
  const key = order.environment["CODEX_API_KEY"] ?? order.environment["OPENAI_API_KEY"];
  return {
    ...order.environment,
    ...(key === undefined ? {} : { CODEX_API_KEY: key }),
    HOME: directory.home,
    TMPDIR: directory.temporary,
    CODEX_HOME: codexHome(directory),
    ...serverTokens(order),
  };
}
