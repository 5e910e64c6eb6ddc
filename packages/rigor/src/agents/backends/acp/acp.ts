import { access, constants, readFile } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { isMissing } from "../../../hosts/system-errors.ts";
import type { Backend, BackendProbe, RunningSession, SessionEnd, SessionOrder } from "../backend.ts";
import { claudeTools, quietClaude } from "../claude-code/settings.ts";
import { goOn } from "../common.ts";
import { startSession } from "../session.ts";
import { daemonAnew } from "../verdict.ts";
import { SessionDirectory } from "../session-directory.ts";
import { settleSession } from "../settle.ts";
import { AcpConversation } from "./conversation.ts";
import { AcpUpdates } from "./updates.ts";

export interface AcpOptions {
  /** The agent's program and its arguments. */
  command: readonly [string, ...string[]];
  /** `_meta` of the session: what only this agent understands, such as to read no settings of the project. */
  meta?: Readonly<Record<string, unknown>>;
}

const credentialsHelp = `Give the agent credentials that are valid, in the daemon's environment. ${daemonAnew}`;

/**
 * Any agent that speaks the Agent Client Protocol.
 *
 * The protocol has no words for some of what other back ends do: tokens and cost are told at the end of the work only,
 * so that their limits cannot end it; tries of a failing service are not told at all; and whether the project's settings
 * are read is the agent's own matter. Claude is told not to; another agent may be told so in its `meta`. Tools that the agent asks for are allowed by its role; one that it
 * uses without asking is stopped by the sandbox only.
 */
export class Acp implements Backend {
  readonly name = "acp";
  readonly #options: AcpOptions;

  constructor(options: AcpOptions) {
    this.#options = options;
  }

  async probe(): Promise<BackendProbe> {
    const [program] = this.#options.command;
    if (await isProgram(program)) return { usable: true, version: null, problem: null, remedy: null };
    const remedy = "Install the agent, or set `agents.acp.command` to the command that starts it.";
    return { usable: false, version: null, problem: `${program} is not installed.`, remedy };
  }

  async start(order: SessionOrder): Promise<RunningSession> {
    const directory = new SessionDirectory(order.directory);
    directory.make();
    const path = directory.settings("acp-session");
    const known = order.resume ? await readOrNull(path) : null;
    const meta = { ...claudeMeta(order), ...this.#options.meta };
    const remember = (session: string) => directory.write(path, session);
    const conversation = new AcpConversation({ order, known, remember, meta });
    await settleSession(order, forReplay(order));
    return await startSession(order, {
      backend: this.name,
      version: null,
      command: this.#options.command,
      environment: {
        ...quietClaude(directory, order.limits.toolSeconds),
        ...order.environment,
        HOME: directory.home,
        TMPDIR: directory.temporary,
      },
      prompt: known === null ? order.brief : goOn,
      resumed: known !== null,
      makeReader: () => conversation,
      converse: (input) => conversation.speak(input),
      credentialsHelp,
    });
  }

  async settle(order: SessionOrder): Promise<SessionEnd | null> {
    return await settleSession(order, forReplay(order));
  }
}

/** What keeps the settings of the user and the project out of Claude. Other agents do not look at it. */
function claudeMeta({ tools }: SessionOrder): Record<string, unknown> {
  const options = { settingSources: [], strictMcpConfig: true, extraArgs: { restricted: null } };
  return { claudeCode: { options: { ...options, tools: claudeTools(tools.native) } } };
}

/** Reads what an agent wrote to which nobody can answer any more. */
function forReplay(order: SessionOrder) {
  return { makeReader: () => new AcpUpdates(order.tools, order.price), credentialsHelp };
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function isProgram(program: string): Promise<boolean> {
  const places = isAbsolute(program)
    ? [program]
    : (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, program));
  const found = await Promise.allSettled(places.map((path) => access(path, constants.X_OK)));
  return found.some(({ status }) => status === "fulfilled");
}
