import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { SessionDirectory } from "../session-directory.ts";
import { quietClaude } from "./settings.ts";

test("Claude Code waits for a tool as long as the session does, whether that tells of its progress or not [session.silence]", () => {
  const told = quietClaude(new SessionDirectory(tmpdir()), 700);
  const milliseconds = "700000";
  expect(told).toMatchObject({
    BASH_MAX_TIMEOUT_MS: milliseconds,
    MCP_TOOL_TIMEOUT: milliseconds,
    CLAUDE_CODE_MCP_TOOL_IDLE_TIMEOUT: milliseconds,
  });
});
