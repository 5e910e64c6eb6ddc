import { existsSync } from "node:fs";
import { join } from "node:path";

const modules = join(import.meta.dirname, "programs", "node_modules");
const platform = `${process.platform}-${process.arch}`;

/** The agents' own programs, as `npm ci --prefix test/agents/programs` installs them; null where it was not run. */
export const claudeCode = installed(`@anthropic-ai/claude-code-${platform}/claude`);
export const codex = installed(`@openai/codex-${platform}/vendor/${rustTarget()}/bin/codex`);
export const claudeAgentAcp = installed("@agentclientprotocol/claude-agent-acp/dist/index.js");

function installed(path: string): string | null {
  const whole = join(modules, path);
  return existsSync(whole) ? whole : null;
}

/** How the folder of a platform's program is called in the package of Codex. */
function rustTarget(): string {
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  return process.platform === "darwin" ? `${machine}-apple-darwin` : `${machine}-unknown-linux-musl`;
}
