import type { Backend } from "../agents/backends/backend.ts";
import { findSandbox } from "../agents/sandbox/sandbox.ts";

import type { Dispatcher } from "../bench/dispatch/dispatcher.ts";
import type { Lab } from "../bench/lab/lab.ts";
import { findExperiment } from "../bench/records/lookup.ts";
import { RigorError } from "../domain/errors.ts";
import type { AgentSettings } from "../domain/issues/agent-settings.ts";
import { toolPatience } from "../conductor/investigations/tool-jobs/patience.ts";
import { openBoard, type Board } from "../conductor/open-board.ts";
import { describeTools } from "../mcp/tools/registry.ts";
import type { DaemonOptions } from "./options.ts";

/** The board with every back end, and the sandbox that this machine has. */
export function makeBoard(
  lab: Lab,
  dispatcher: Dispatcher,
  address: () => string,
  secrets: () => readonly string[],
  options: Pick<DaemonOptions, "toolSeconds">,
): Board {
  return openBoard({
    lab,
    dispatcher,
    backendOf,
    sandbox: () => findSandbox("when-present"),
    readDocumentFacts: async (experiment) => {
      const { documentFacts } = await import("../api/present/documents.ts");
      return documentFacts(lab, await findExperiment(lab.store.db, experiment));
    },
    toolsUrl: () => `${address()}/mcp`,
    describeTools,
    secrets,
    toolPatience: toolPatience(options.toolSeconds),
  });
}

/** Each is loaded with its first session. */
async function backendOf(name: string, settings: AgentSettings): Promise<Backend> {
  switch (name) {
    case "claude-code": {
      const { ClaudeCode } = await import("../agents/backends/claude-code/claude-code.ts");
      return new ClaudeCode(settings.claude_code);
    }
    case "codex": {
      const { Codex } = await import("../agents/backends/codex/codex.ts");
      return new Codex(settings.codex);
    }
    case "acp": {
      const [program, ...words] = settings.acp.command;
      if (program !== undefined) {
        const { Acp } = await import("../agents/backends/acp/acp.ts");
        return new Acp({ command: [program, ...words], meta: settings.acp.meta });
      }
      throw new RigorError("not-possible", "No agent of the Agent Client Protocol is configured.", {
        next: "Name its program in rigor.yaml: agents: { acp: { command: [...] } }",
      });
    }
    default:
      throw new RigorError("not-found", `There is no back end ${name}.`);
  }
}
