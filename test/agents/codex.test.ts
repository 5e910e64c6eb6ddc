import { describe } from "vitest";
import { agents } from "./agents.testing.ts";
import { backendSuite } from "./backend.suite.ts";
import { codex } from "./programs.ts";

describe.skipIf(codex === null)("with the program of Codex", () => {
  backendSuite("Codex", agents.codex);
});
