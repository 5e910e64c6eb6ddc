import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, test } from "vitest";
import type { Backend, SessionLimits, SessionOrder } from "../../packages/rigor/src/agents/backends/backend.ts";
import type { Entry } from "../../packages/rigor/src/agents/transcripts/entry.ts";
import { readTranscript } from "../../packages/rigor/src/agents/transcripts/transcript.ts";
import { LabServer } from "./lab-server.ts";
import type { AgentName } from "./agents.testing.ts";
import type { ModelServer, Script, ScriptedCall } from "./model-server.ts";

/** Behaviour of the suite that an agent does not have; each with the reason why. */
export type Exemptions = Partial<
  Record<
    | "retries"
    | "refusals"
    | "strays"
    | "survival"
    | "credentials"
    | "missing-lab"
    | "token-limit"
    | "cost-limit"
    | "usage",
    string
  >
>;

/** An agent as the suite drives it. */
export interface AgentUnderTest {
  name: AgentName;
  backend: () => Backend;
  /** A model service that this agent can speak to. */
  serve: (script: Script) => Promise<ModelServer>;
  /** What the agent needs in its environment to find the service, with a key that it accepts. */
  environment: (server: ModelServer, key: string) => Record<string, string>;
  /** Calls of the agent's own tools. */
  shell: (command: string) => ScriptedCall;
  write: (path: string, text: string) => ScriptedCall;
  exempt: Exemptions;
}

export const labToken = "lab-token-8d2f6c1b";
export const apiKey = "sk-ant-api03-test-key-for-the-suite";

export type Place = ReturnType<typeof usePlace>;

/** Directories, a lab and a model service for each test. */
export function usePlace(agent: AgentUnderTest) {
  let root = "";
  let lab: LabServer;
  let model: ModelServer;

  beforeEach(async () => {
    // Not in the machine's folder for temporary files, where Codex refuses to keep its own.
    root = realpathSync(mkdtempSync("/var/tmp/rigor-session-"));
    mkdirSync(join(root, "workspace"));
    lab = await LabServer.start(labToken);
    model = await agent.serve([{ text: "Done." }]);
  });

  afterEach(async () => {
    await model.close();
    await lab.close();
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  });

  return {
    agent,
    get root() {
      return root;
    },
    get lab() {
      return lab;
    },
    get model() {
      return model;
    },
    get workspace() {
      return join(root, "workspace");
    },
    follow(script: Script) {
      model.follow(script);
    },
    order(more: Partial<Omit<SessionOrder, "limits">> & { limits?: Partial<SessionLimits> } = {}): SessionOrder {
      const id = more.id ?? randomUUID();
      return {
        id,
        directory: join(root, "sessions", id),
        workspace: join(root, "workspace"),
        folders: [join(root, "workspace")],
        brief: "# Task\n\nDo what is asked.",
        model: null,
        price: { input: 5, cached: 0.5, output: 25 },
        environment: { PATH: process.env["PATH"] ?? "", LANG: "C.UTF-8", ...agent.environment(model, apiKey) },
        secrets: [],
        resume: false,
        wrap: (command) => command,
        ...more,
        tools: {
          lab: { url: lab.url, token: lab.token },
          labTools: ["append_log"],
          native: ["read", "search", "edit", "shell"],
          servers: {},
          ...more.tools,
        },
        limits: {
          turns: 20,
          minutes: 5,
          tokens: 1_000_000,
          cost: 100,
          silenceSeconds: 120,
          toolSeconds: 600,
          bytes: 1e9,
          ...more.limits,
        },
      };
    },
  };
}

/** A test of what an agent does, where there is no reason why it does not. */
export function testUnless(reason: string | undefined): (title: string, body: () => Promise<void>) => void {
  return reason === undefined ? test : () => undefined;
}

/** What the transcript of a session says, of one kind. */
export async function entriesOf<K extends Entry["kind"]>(order: SessionOrder, kind: K) {
  const records = await readTranscript(join(order.directory, "transcript.jsonl"));
  return records.map(({ entry }) => entry).filter((entry): entry is Extract<Entry, { kind: K }> => entry.kind === kind);
}

/** Waits for a fact; the message says which one did not come. */
export async function until(what: string, fact: () => boolean, seconds = 90): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!fact()) {
    if (performance.now() > deadline) throw new Error(`After ${seconds} s still not: ${what}`);
    await sleep(20);
  }
}
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Files below a directory that hold a text. */
export function filesWith(directory: string, text: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => {
    const path = join(directory, name);
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true && readFileSync(path, "latin1").includes(text);
  });
}
