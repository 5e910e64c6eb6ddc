import { describe } from "vitest";
import { agents } from "./agents.testing.ts";
import { backendSuite } from "./backend.suite.ts";
import { claudeAgentAcp, claudeCode } from "./programs.ts";

describe.skipIf(claudeAgentAcp === null || claudeCode === null)("with an agent that speaks ACP", () => {
  backendSuite("ACP", agents.acp);
});
