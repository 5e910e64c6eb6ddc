import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { SandboxPolicy } from "../../packages/rigor/src/agents/sandbox/policy.ts";
import { findSandbox } from "../../packages/rigor/src/agents/sandbox/sandbox.ts";
import { programTrees } from "../../packages/rigor/src/agents/sandbox/toolchains.ts";
import { Workspaces } from "../../packages/rigor/src/agents/workspaces/workspaces.ts";
import { runGit, writeFiles, commitAll } from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";
import { agents } from "./agents.testing.ts";
import { entriesOf, usePlace } from "./backend.testing.ts";
import { claudeAgentAcp, claudeCode, codex } from "./programs.ts";

const sandbox = await findSandbox("when-present");
const programs = { "claude-code": claudeCode, codex, acp: claudeAgentAcp };

describe.skipIf(sandbox.kind === "none").each(Object.values(agents))("the program of $name in the sandbox", (agent) => {
  const isMissing = programs[agent.name] === null;
  const place = usePlace(agent);

  /** A session in a workspace of a person's repository, which may reach the model and the lab. */
  async function sandboxed() {
    const repository = join(place.root, "repository");
    mkdirSync(repository);
    runGit(repository, "init", "--quiet", "--initial-branch=main");
    writeFiles(repository, { "train.py": "print('train')\n" });
    const base = commitAll(repository);
    writeFileSync(join(place.root, "id_ed25519"), "hush-hush\n");
    const workspaces = await Workspaces.open(repository, join(place.root, "workspaces"), sandbox);
    const workspace = await workspaces.make({ name: "issue-7", base });
    const order = place.order({ workspace: workspace.directory });
    const refusals = join(place.root, "refusals.jsonl");
    const policy: SandboxPolicy = {
      ...workspace.policy,
      readable: [...workspace.policy.readable, ...(await programTrees([programs[agent.name] ?? ""], homedir()))],
      scratch: join(order.directory, "home"),
      hidden: [],
      network: { hosts: [new URL(place.model.url).host, new URL(place.lab.url).host] },
      gpus: false,
      refusals,
    };
    return {
      workspaces,
      order: { ...order, wrap: (command: readonly string[]) => sandbox.wrap(command, policy) },
      refusals,
    };
  }

  test.skipIf(isMissing)("uses the lab's tools and its own, and its work is submitted [sandbox.agent]", async () => {
    const { workspaces, order } = await sandboxed();
    place.follow([
      { calls: [{ tool: "append_log", input: { text: "hello" } }] },
      { calls: [agent.write(join(order.workspace, "note.txt"), "written by the agent\n")] },
      {
        calls: [
          agent.shell("python3 train.py && git add note.txt && git commit -q -m 'Add a note' && git log --format=%s"),
        ],
      },
      { text: "Done." },
    ]);
    const end = await (await agent.backend().start(order)).ended;
    expect(end).toMatchObject({ outcome: "finished", refused: [] });
    expect(place.lab.calls).toEqual([{ tool: "append_log", input: { text: "hello" } }]);
    const shown = (await entriesOf(order, "tool-result")).at(-1)?.text;
    expect(shown).toContain("train\nAdd a note\nstate");
    const { commit } = await workspaces.submit("issue-7");
    expect(runGit(join(place.root, "repository"), "show", `${commit}:note.txt`)).toBe("written by the agent");
  });

  test.skipIf(isMissing)(
    "can neither read a key nor reach another host, and is told so [F38] [sandbox.agent]",
    async () => {
      const { order, refusals } = await sandboxed();
      const tries = [
        `cat ${join(place.root, "id_ed25519")}`,
        `cat ${join(order.directory, "transcript.jsonl")}`,
        `echo x >${join(place.root, "x")}`,
        "curl -sS https://example.org/",
        `ls /proc | grep -c '^[0-9]'`,
      ];
      place.follow([{ calls: [agent.shell(tries.join("; "))] }, { text: "Done." }]);
      expect((await (await agent.backend().start(order)).ended).outcome).toBe("finished");
      const shown = (await entriesOf(order, "tool-result")).at(-1)?.text ?? "";
      expect(shown.match(/No such file or directory/g)?.length).toBeGreaterThanOrEqual(2);
      expect(shown).toMatch(/403/);
      expect(shown).not.toContain("hush-hush");
      expect(readFileSync(refusals, "utf8")).toContain('"host":"example.org","port":443');
    },
  );
});
