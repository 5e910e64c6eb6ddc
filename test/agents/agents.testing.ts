import { Acp } from "../../packages/rigor/src/agents/backends/acp/acp.ts";
import { ClaudeCode } from "../../packages/rigor/src/agents/backends/claude-code/claude-code.ts";
import { Codex } from "../../packages/rigor/src/agents/backends/codex/codex.ts";
import { AnthropicServer } from "./anthropic-server.ts";
import type { AgentUnderTest } from "./backend.testing.ts";
import { codeTool, OpenAiServer } from "./openai-server.ts";
import { claudeAgentAcp, claudeCode, codex } from "./programs.ts";

export type AgentName = "claude-code" | "codex" | "acp";

/** The agents that the suite drives, each with its own program. */
export const agents: Readonly<Record<AgentName, AgentUnderTest>> = {
  "claude-code": {
    name: "claude-code",
    backend: () => new ClaudeCode({ command: claudeCode ?? "" }),
    serve: (script) => AnthropicServer.start(script),
    environment: (server, key) => ({ ANTHROPIC_BASE_URL: server.url, ANTHROPIC_API_KEY: key }),
    shell: (command) => ({ tool: "Bash", input: { command, description: "Runs a command" } }),
    write: (path, text) => ({ tool: "Write", input: { file_path: path, content: text } }),
    exempt: {},
  },
  codex: {
    name: "codex",
    backend: () => new Codex({ command: codex ?? "" }),
    serve: (script) => OpenAiServer.start(script),
    environment: (server, key) => ({ OPENAI_BASE_URL: `${server.url}/v1`, OPENAI_API_KEY: key }),
    shell: (command) => ({ tool: "exec_command", input: { cmd: command, yield_time_ms: 30_000 } }),
    write: (path, text) => {
      const lines = text.trimEnd().split("\n");
      const patch = ["*** Begin Patch", `*** Add File: ${path}`, ...lines.map((line) => `+${line}`), "*** End Patch"];
      return { tool: codeTool, input: { code: `text(await tools.apply_patch(${JSON.stringify(patch.join("\n"))}));` } };
    },
    exempt: {
      retries: "Codex tells of a try only when it has lost its connection.",
      refusals:
        "Codex does not show a tool that is not allowed, and does not tell when the model calls it all the same.",
      strays: "Its own sandbox ends what a command leaves behind with the command.",
    },
  },
  acp: {
    name: "acp",
    backend: () => new Acp({ command: [process.execPath, claudeAgentAcp ?? ""] }),
    serve: (script) => AnthropicServer.start(script),
    environment: (server, key) => ({
      ANTHROPIC_BASE_URL: server.url,
      ANTHROPIC_API_KEY: key,
      CLAUDE_CODE_EXECUTABLE: claudeCode ?? "",
    }),
    shell: (command) => ({ tool: "Bash", input: { command, description: "Runs a command" } }),
    write: (path, text) => ({ tool: "Write", input: { file_path: path, content: text } }),
    exempt: {
      retries: "The protocol has no words for tries.",
      credentials: "The protocol has no words for tries: this agent is silent while it tries again.",
      "missing-lab": "The protocol does not tell whether a server of tools was reached.",
      "token-limit": "The protocol tells tokens only when the work is done.",
      "cost-limit": "This agent tells its cost only when the work is done.",
      usage: "The protocol tells tokens only when the work is done.",
      survival: "The agent ends when nobody speaks to it any more.",
    },
  },
};
