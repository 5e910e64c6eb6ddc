import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { apiKey, entriesOf, filesWith, labToken, type Place } from "./backend.testing.ts";
import { LabServer } from "./lab-server.ts";

const own = 'own "secret"\\of/the+user';
const cloudKey = "AKIAIOSFODNN7EXAMPLE";
const privateKey =
  "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\nAAAAB3NzaC1yc2E\n-----END OPENSSH PRIVATE KEY-----";

/** What does not get to an agent, and what does not get out of its session. */
export function privacyTests(place: Place): void {
  const { agent } = place;

  test("keeps secrets out of its transcript, wherever they come from [session.masks] [F40]", async () => {
    writeFileSync(join(place.workspace, "id_ed25519"), `${privateKey}\n`);
    place.follow([
      {
        text: `I found ${apiKey} and ${cloudKey}.`,
        calls: [agent.shell(`env; cat id_ed25519; echo "$HOARD" | od -c`)],
      },
      { calls: [{ tool: "append_log", input: { text: JSON.stringify({ quoted: [own, labToken] }) } }] },
      { text: `Done with ${labToken} and ${own}` },
    ]);
    const order = place.order({ brief: `Use ${cloudKey}.`, secrets: [own] });
    const environment = { ...order.environment, SOME_SERVICE_TOKEN: "word-that-nobody-knows" };
    const end = await (await agent.backend().start({ ...order, environment })).ended;

    expect(end.outcome).toBe("finished");
    expect(JSON.stringify(end)).not.toContain(labToken);
    const transcript = readFileSync(join(order.directory, "transcript.jsonl"), "utf8");
    expect(transcript).toContain("I found [secret] and [secret].");
    expect(transcript).toContain("SOME_SERVICE_TOKEN=[secret]");
    // What the agent keeps for itself lies in its home, which is nobody else's.
    const kept = (text: string) => filesWith(order.directory, text).filter((name) => !name.startsWith("home/"));
    for (const secret of [apiKey, cloudKey, labToken, "word-that-nobody-knows", "b3BlbnNzaC1rZXktdjE", "of/the+user"]) {
      expect(kept(secret), secret).toEqual([]);
    }
  });

  test("finds nothing of what the user and the project have configured for it [session.foreign] [F31]", async () => {
    const foreign = await LabServer.start("foreign-token");
    onTestFinished(() => foreign.close());
    const home = join(place.root, "home-of-the-user");
    const hook = join(place.root, "hook-ran");
    for (const directory of [place.workspace, home]) plant(directory, hook, foreign.url);
    place.follow([{ calls: [agent.shell("true")] }, { text: "Done." }]);
    const order = place.order();
    const environment = { ...order.environment, HOME: home };
    expect((await (await agent.backend().start({ ...order, environment })).ended).outcome).toBe("finished");

    expect(existsSync(hook)).toBe(false);
    expect(foreign.refused).toBe(0);
    for (const { body } of place.model.requests) {
      expect(body).not.toContain("FOREIGN");
      expect(body).not.toContain(home);
    }
    const tools = place.model.requests[0]?.tools ?? [];
    expect(tools.filter((tool) => tool.includes("foreign"))).toEqual([]);
  });

  test("has the environment that it is given, and nothing of this process's own [session.environment] [F31]", async () => {
    vi.stubEnv("RIGOR_TEST_FOREIGN", "foreign value");
    onTestFinished(() => void vi.unstubAllEnvs());
    place.follow([{ calls: [agent.shell("env")] }, { text: "Done." }]);
    const order = place.order();
    const environment = { ...order.environment, GIVEN: "given value" };
    expect((await (await agent.backend().start({ ...order, environment })).ended).outcome).toBe("finished");
    const shown = (await entriesOf(order, "tool-result"))[0]?.text;
    expect(shown).toContain("GIVEN=given value");
    expect(shown).not.toContain("RIGOR_TEST_FOREIGN");
    expect(shown).toContain(`HOME=${join(order.directory, "home")}`);
  });
}

/** What a user or a project may have set up for agents: instructions, hooks, servers of tools, plugins. */
function plant(directory: string, hook: string, url: string): void {
  const command = join(directory, "hook.sh");
  const run = [{ matcher: "*", hooks: [{ type: "command", command }] }];
  const hooks = { SessionStart: run, PreToolUse: run, PostToolUse: run, UserPromptSubmit: run, Stop: run };
  const mcpServers = { foreign: { type: "http", url } };
  const files: Record<string, string> = {
    "hook.sh": `#!/bin/sh\ntouch '${hook}'\n`,
    "CLAUDE.md": "FOREIGN instructions\n",
    "AGENTS.md": "FOREIGN instructions\n",
    ".mcp.json": JSON.stringify({ mcpServers }),
    ".claude.json": JSON.stringify({
      mcpServers,
      projects: { [directory]: { mcpServers, hasTrustDialogAccepted: true } },
    }),
    ".claude/CLAUDE.md": "FOREIGN instructions\n",
    ".claude/settings.json": JSON.stringify({ hooks, enableAllProjectMcpServers: true, env: { FOREIGN: "1" } }),
    ".claude/settings.local.json": JSON.stringify({ hooks }),
    ".claude/agents/foreign.md": "---\nname: foreign\ndescription: FOREIGN agent\n---\nFOREIGN agent\n",
    ".claude/commands/foreign.md": "FOREIGN command\n",
    ".claude/skills/foreign/SKILL.md": "---\nname: foreign\ndescription: FOREIGN skill\n---\nFOREIGN skill\n",
    ".codex/config.toml": `notify = ["${command}"]\ndeveloper_instructions = "FOREIGN"\n[mcp_servers.foreign]\nurl = "${url}"\n`,
    ".codex/AGENTS.md": "FOREIGN instructions\n",
    ".codex/hooks.json": JSON.stringify({ hooks }),
    ".codex/skills/foreign/SKILL.md": "---\nname: foreign\ndescription: FOREIGN skill\n---\nFOREIGN skill\n",
    ".agents/skills/foreign/SKILL.md": "---\nname: foreign\ndescription: FOREIGN skill\n---\nFOREIGN skill\n",
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  chmodSync(command, 0o755);
}
