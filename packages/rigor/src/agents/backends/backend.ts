import type { ProcessRecord } from "../../hosts/processes.ts";
import type { SessionOutcome, Usage } from "../transcripts/entry.ts";

export const backendNames = ["claude-code", "codex", "acp", "human"] as const;
export type BackendName = (typeof backendNames)[number];

/** What an agent may do of its own, beside the lab's tools. `read`, `search` and `edit` reach its workspace only. */
export const nativeTools = ["read", "search", "edit", "shell", "web"] as const;
export type NativeTool = (typeof nativeTools)[number];

/** All of them hold for the session, over all its processes. */
export interface SessionLimits {
  /** Answers of the model. */
  turns: number;
  minutes: number;
  /** Tokens given to the model and not read from its service's cache, and tokens of its answers. */
  tokens: number;
  /** US dollars; null for no limit. */
  cost: number | null;
  /** Seconds without any progress. While a tool works, its own time limit is added. */
  silenceSeconds: number;
  /** Seconds that one call of a tool may take before the agent gives it up. */
  toolSeconds: number;
  /** Bytes that its {@link SessionOrder.folders} may take on the disk. */
  bytes: number;
}

/** US dollars for a million tokens. */
export interface ModelPrice {
  input: number;
  cached: number;
  output: number;
}

/** Tools over MCP by HTTP, opened by a token. */
export interface ToolServer {
  url: string;
  token: string;
}

/** A call of a tool that had no answer for so long that the tool seems to hang. */
export interface HangingCall {
  tool: string;
  /** How long there was no answer. */
  seconds: number;
}

/** What a back end is asked to do. */
export interface SessionOrder {
  /** A UUID: the session's id everywhere. */
  id: string;
  /** The session's own directory: `home/`, `transcript.jsonl`, output, record of the process. */
  directory: string;
  /** Where the agent works. */
  workspace: string;
  /** Files and folders that grow as it works, and are limited together; the session's own is always one of them. */
  folders: readonly string[];
  /** What the agent is told, in Markdown. */
  brief: string;
  /** Null for the agent's own default. */
  model: string | null;
  /** Where it is known, cost is counted, and its limit enforced, while the agent works. */
  price: ModelPrice | null;
  tools: {
    lab: ToolServer;
    /** The lab's tools that the agent may use; it is refused all others. */
    labTools: readonly string[];
    native: readonly NativeTool[];
    /** Further servers by name, with the tools of each that may be used. */
    servers: Readonly<Record<string, ToolServer & { tools: readonly string[] }>>;
  };
  limits: SessionLimits;
  /** All of the agent's environment: nothing of this process's own is added but what the back end itself needs. */
  environment: Readonly<Record<string, string>>;
  /** Values that must not be seen in the transcript, beside tokens and secrets of the environment. */
  secrets: readonly string[];
  /** Goes on where the last process of this session stood, if there was one. */
  resume: boolean;
  /** Told once of each call that seems to hang. */
  onHang?: (call: HangingCall) => void;
  /** Told after each answer of the model what the session has used, over all its processes. */
  onUsage?: (usage: Usage) => void;
  /** Puts a command into its sandbox. */
  wrap: (command: readonly string[]) => readonly string[];
}

/** How a session ended. It always does, and never better than what shows it. */
export interface SessionEnd {
  outcome: SessionOutcome;
  /** The line that shows it. */
  evidence: string;
  /** What a person can do; null where nothing is asked of one. */
  next: string | null;
  /** Of the whole session, over all its processes. */
  usage: Usage;
  refused: { tool: string; why: string }[];
}

export interface RunningSession {
  /** Null where a person does the work. */
  readonly process: ProcessRecord | null;
  /** Never rejected. */
  readonly ended: Promise<SessionEnd>;
  /** Ends the session as `stopped`, with everything that it started. */
  stop(reason: string): Promise<void>;
}

/** Whether a back end can be used on this machine. */
export interface BackendProbe {
  usable: boolean;
  version: string | null;
  /** Why it cannot be used, and what to do. */
  problem: string | null;
  remedy: string | null;
}

/** One way to do a role's work. */
export interface Backend {
  readonly name: BackendName;
  probe(): Promise<BackendProbe>;
  /** @throws RigorError when it cannot be started; a session that has started ends with an outcome. */
  start(order: SessionOrder): Promise<RunningSession>;
  /**
   * Settles a session whose daemon has gone while it ran: ends what is left of it, and takes what it wrote into its
   * transcript. Null where it did not come to its end by itself: it can be started again with `resume`.
   */
  settle(order: SessionOrder): Promise<SessionEnd | null>;
}
