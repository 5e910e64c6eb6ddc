import type { NativeTool } from "../backend.ts";
import type { SessionDirectory } from "../session-directory.ts";

const natives: Readonly<Record<NativeTool, readonly string[]>> = {
  read: ["Read"],
  search: ["Grep", "Glob"],
  edit: ["Edit", "Write"],
  shell: ["Bash"],
  web: ["WebFetch", "WebSearch"],
};

/** How Claude Code names these of its own tools. */
export function claudeTools(native: readonly NativeTool[]): string[] {
  return native.flatMap((tool) => natives[tool]);
}

/**
 * Variables by which Claude Code does its task and nothing beside it.
 *
 * @param toolSeconds that one call of a tool may take
 */
export function quietClaude(directory: SessionDirectory, toolSeconds: number): Record<string, string> {
  const milliseconds = String(toolSeconds * 1000);
  return {
    CLAUDE_CODE_TMPDIR: directory.temporary,
    DISABLE_AUTOUPDATER: "1",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    CLAUDE_CODE_DISABLE_AUTO_MEMORY: "1",
    CLAUDE_CODE_DISABLE_CLAUDE_MDS: "1",
    CLAUDE_CODE_DISABLE_FILE_MENTIONS: "1",
    // Otherwise tools of servers are left out of the request until the model searches for them.
    ENABLE_TOOL_SEARCH: "false",
    MCP_CONNECTION_NONBLOCKING: "false",
    BASH_MAX_TIMEOUT_MS: milliseconds,
    MCP_TOOL_TIMEOUT: milliseconds,
    // Otherwise a call that tells nothing of its progress is given up after five minutes.
    CLAUDE_CODE_MCP_TOOL_IDLE_TIMEOUT: milliseconds,
  };
}
