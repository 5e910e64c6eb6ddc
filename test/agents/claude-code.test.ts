import { describe } from "vitest";
import { agents } from "./agents.testing.ts";
import { backendSuite } from "./backend.suite.ts";
import { claudeCode } from "./programs.ts";

describe.skipIf(claudeCode === null)("with the program of Claude Code", () => {
  backendSuite("Claude Code", agents["claude-code"]);
});
