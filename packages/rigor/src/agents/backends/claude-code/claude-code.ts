import { globSync } from "node:fs";
import { join } from "node:path";
import type { Backend, BackendProbe, RunningSession, SessionEnd, SessionOrder } from "../backend.ts";
import { goOn, serverTokens, tokenVariable } from "../common.ts";
import { probeProgram } from "../probe.ts";
import { startSession } from "../session.ts";
import { daemonAnew } from "../verdict.ts";
import { SessionDirectory } from "../session-directory.ts";
import { settleSession } from "../settle.ts";
import { readTranscript, usageIn } from "../../transcripts/transcript.ts";
import { claudeTools, quietClaude } from "./settings.ts";
import { ClaudeStream } from "./stream.ts";

export interface ClaudeCodeOptions {
  /** The program; by default `claude`, found by the `PATH` of the session's environment. */
  command?: string;
}

/** Without one of these flags an older version would ask, or use what the user has configured. */
const neededFlags = ["--restricted", "--strict-mcp-config", "--setting-sources", "--tools", "--max-budget-usd"];

const install =
  "Install Claude Code with `npm install -g @anthropic-ai/claude-code`, or set `agents.claude_code.command`.";

const credentialsHelp =
  "Set ANTHROPIC_API_KEY, or make a token with `claude setup-token` and set CLAUDE_CODE_OAUTH_TOKEN. " + daemonAnew;

/**
 * Claude Code without a terminal.
 *
 * What the user has configured stays out: its home is the session's own, it reads no settings, no CLAUDE.md, no
 * plugins, and no MCP servers but the ones it is given. So it does not find the user's login either: its credentials
 * come from the order's environment.
 */
export class ClaudeCode implements Backend {
  readonly name = "claude-code";
  readonly #command: string;

  constructor(options: ClaudeCodeOptions = {}) {
    this.#command = options.command ?? "claude";
  }

  async probe(): Promise<BackendProbe> {
    return await probeProgram(this.#command, { install, update: "Run `claude update`.", neededFlags });
  }

  async start(order: SessionOrder): Promise<RunningSession> {
    const directory = new SessionDirectory(order.directory);
    directory.make();
    const resumed = order.resume && hasConversation(directory, order.id);
    const settings = directory.settings("mcp.json");
    directory.write(settings, JSON.stringify({ mcpServers: servers(order) }));
    const before = usageIn(await readTranscript(directory.transcript));
    return await startSession(order, {
      backend: this.name,
      version: null,
      command: [this.#command, ...flags(order, settings, resumed, before)],
      environment: { ...order.environment, ...ownEnvironment(directory, order) },
      prompt: resumed ? goOn : order.brief,
      resumed,
      ...agent(order),
    });
  }

  async settle(order: SessionOrder): Promise<SessionEnd | null> {
    return await settleSession(order, agent(order));
  }
}

function agent(order: SessionOrder) {
  const needed = ["lab", ...Object.keys(order.tools.servers)];
  return { makeReader: () => new ClaudeStream(needed, order.price), credentialsHelp };
}

function flags(
  order: SessionOrder,
  settings: string,
  resumed: boolean,
  before: { turns: number; cost: number | null },
): string[] {
  const { labTools, native, servers } = order.tools;
  const own = claudeTools(native);
  const lab = labTools.map((tool) => `mcp__lab__${tool}`);
  const others = Object.entries(servers).flatMap(([name, { tools }]) => tools.map((tool) => `mcp__${name}__${tool}`));
  const { turns, cost } = order.limits;
  return [
    ...["--print", "--output-format", "stream-json", "--verbose", "--include-partial-messages"],
    ...["--restricted", "--setting-sources", "", "--disable-slash-commands"],
    ...["--settings", JSON.stringify({ attribution: { commit: "", pr: "" } })],
    ...["--strict-mcp-config", "--mcp-config", settings],
    ...[
      "--permission-mode",
      "dontAsk",
      "--tools",
      own.join(","),
      "--allowedTools",
      [...own, ...lab, ...others].join(","),
    ],
    ...["--max-turns", String(Math.max(1, turns - before.turns))],
    ...(cost === null ? [] : ["--max-budget-usd", String(Math.max(0.01, cost - (before.cost ?? 0)))]),
    ...(order.model === null ? [] : ["--model", order.model]),
    ...(resumed ? ["--resume", order.id] : ["--session-id", order.id]),
  ];
}

function servers(order: SessionOrder): Record<string, unknown> {
  const all = Object.entries({ lab: order.tools.lab, ...order.tools.servers });
  return Object.fromEntries(
    all.map(([name, { url }], index) => {
      const headers = { Authorization: `Bearer \${${tokenVariable(index)}}` };
      return [name, { type: "http", url, headers }];
    }),
  );
}

function ownEnvironment(directory: SessionDirectory, order: SessionOrder): Record<string, string> {
  return {
    HOME: directory.home,
    TMPDIR: directory.temporary,
    ...quietClaude(directory, order.limits.toolSeconds),
    ...serverTokens(order),
  };
}

/** Whether there is something to resume: a session that was killed early has written nothing. */
function hasConversation(directory: SessionDirectory, id: string): boolean {
  return globSync(join(".claude", "projects", "*", `${id}.jsonl`), { cwd: directory.home }).length > 0;
}
