/** Whole experiments on other machines, by the command line: hosts over SSH. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSshHosts, sshMissing, type SshLab } from "../clusters/ssh.ts";
import { experiment, UserLab } from "../e2e/lab.ts";
import { attemptOf, described, program, type Shown } from "./runs.testing.ts";

interface Listed {
  name: string;
  trouble: { message: string } | null;
}

/** Says where it ran, and of a run that needs another one, what it was given. */
const needingProgram = `set -eu
here=$(cat /proc/sys/kernel/hostname)
case $RIGOR_ARM in
pretrain)
  mkdir -p "$RIGOR_OUTPUT/the model"
  echo "made on $here with seed $RIGOR_SEED" >"$RIGOR_OUTPUT/the model/weights.txt"
  ;;
*)
  cat "$RIGOR_NEEDS/pretrain/the model/weights.txt"
  echo "read on $here"
  ls -ld "$RIGOR_NEEDS/pretrain/." "$RIGOR_NEEDS/pretrain/result.json"
  ;;
esac
printf '{"metrics":{"loss":%s.%s}}' "$RIGOR_SEED" "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`;

const needing = {
  code: ["needs.sh"],
  outputs: { artifacts: ["the model"] },
  seeds: [1, 2],
  run: "sh needs.sh",
};

describe.skipIf(sshMissing() !== null)("an experiment on hosts over SSH", () => {
  let hosts: SshLab;
  let lab: UserLab;

  beforeAll(async () => {
    hosts = await startSshHosts({
      hostA: { environment: { SITE_SERVER: "head" } },
      hostB: { shell: "/bin/dash", noise: "Welcome!" },
    });
    await hosts.host("hostA").run("mkdir /tmp/full && mount -t tmpfs -o size=1m none /tmp/full");
    lab = new UserLab().init();
    const compute = (host: string) => ({ kind: "ssh", host, ssh_config: hosts.config, cpus: 2 });
    lab.commit({
      "run.sh": program,
      "part.txt": "as committed\n",
      "words.txt": "words of the input\n",
      "rigor.yaml": JSON.stringify({
        compute: {
          hostA: compute("hostA"),
          hostB: compute("hostB"),
          nowhere: compute("nowhere.invalid"),
          full: { ...compute("hostA"), workdir: "/tmp/full" },
          described: {
            ...{ kind: "command", via: { ssh: "hostA", ssh_config: hosts.config }, states: { R: "running" } },
            ...{ submit: 'test -n "$SITE_SERVER" || { echo no server >&2; false; }', status: "true", cancel: "true" },
          },
        },
      }),
      "silent.yaml": experiment({
        ...described,
        name: "silent",
        compute: ["nowhere", "hostA"],
        seeds: [4],
        run: "while [ ! -e /tmp/go ]; do sleep 0.1; done; sh run.sh",
      }),
      "lost.yaml": experiment({
        ...described,
        name: "lost",
        arms: { only: {} },
        seeds: [6],
        run: "[ $(cat /proc/sys/kernel/hostname) = hostA ] || sleep 600; sh run.sh",
      }),
      "steered.yaml": experiment({ ...described, name: "steered", compute: ["hostA", "hostB"], seeds: [5] }),
      "needs.sh": needingProgram,
      // The one half of the work is done on one host, the other half where the first was not.
      "far.yaml": experiment({ ...needing, name: "far", arms: { pretrain: {} }, compute: ["hostA"] }),
      "near.yaml": experiment({
        ...needing,
        name: "near",
        arms: { probe: { needs: [{ from: "far/pretrain", as: "pretrain" }], artifacts: [] } },
        compute: ["hostB"],
      }),
      "here.yaml": experiment({
        ...needing,
        name: "here",
        arms: { probe: { needs: [{ from: "far/pretrain", as: "pretrain" }], artifacts: [] } },
        compute: ["local"],
      }),
      "both.yaml": experiment({
        name: "both",
        compute: ["hostA", "hostB"],
        ...described,
      }),
    });
  });

  afterAll(async () => {
    await lab.close();
    await hosts.stop();
  });

  test("runs there to its decision, and what it made is here [compute.ssh-runs]", async () => {
    const answer = await lab.rigor("run", "both.yaml");
    expect(answer.text).toContain("6 done");
    expect(answer.text).not.toContain("done before");
    expect(answer.status).toBe(0);
    const runs = await lab.runs("both");
    const places = new Set<string>();
    for (const run of runs) {
      const attempt = await attemptOf(lab, run.id);
      const where = readFileSync(join(attempt.directory, "output/where.txt"), "utf8");
      places.add(where.replace(/.* on /, ""));
      expect(readFileSync(join(attempt.directory, "stdout.log"), "utf8")).toBe("words of the input\nas committed\n");
    }
    expect(places).toEqual(new Set(["hostA", "hostB"]));
  });

  test("is repeated there by hand, in a shell of the host that is named [cli.by-hand]", async () => {
    const [run] = await lab.runs("both");
    const { repeat, repeat_on: host } = await lab.json<{ repeat: string; repeat_on: string }>("show", run?.id ?? "");
    expect((await lab.rigor("show", run?.id ?? "")).stdout).toContain(`By hand, in any shell on ${host}\n`);
    const said = await hosts.host(host).run(`${repeat}\ncat "$(ls -td /tmp/tmp.*/output | head -n 1)"/*`);
    expect(said).toContain("words of the input\nas committed\n");
    expect(said).toContain(`on ${host}`);
    expect(said).toContain(`{"metrics":{"loss":${run?.seed}}}`);
  });

  test("is given outputs of runs that were made on another host, wherever it runs [needs.hosts] [F23]", async () => {
    expect((await lab.rigor("run", "far.yaml")).status).toBe(0);
    for (const [name, host] of [
      ["near", "hostB"],
      ["here", ""],
    ] as const) {
      const answer = await lab.rigor("run", `${name}.yaml`);
      expect(answer.text).toContain("2 done");
      for (const run of await lab.runs(name)) {
        const { directory } = await attemptOf(lab, run.id);
        const log = readFileSync(join(directory, "stdout.log"), "utf8");
        // Nobody may write to it, not even its owner.
        expect(log).toMatch(/^dr-x[^w]{6}/m);
        expect(log).toMatch(/^-r--[^w]{6}/m);
        expect(log).toContain(`made on hostA with seed ${run.seed}\nread on ${host}`);
      }
    }
  });

  /** The run of an experiment that has one, when it is under way. */
  async function untilActive(name: string): Promise<[string]> {
    const active = async () => (await lab.runs(name)).filter(({ state }) => state === "active");
    await expect.poll(active, { interval: 200 }).toHaveLength(1);
    return [(await active())[0]?.id ?? ""];
  }

  test("goes on without a host that does not answer, and says so [F11] [compute.placement] [compute.closed]", async () => {
    const { said, answer } = lab.start(["run", "silent.yaml"]);
    await expect.poll(() => said.text).toMatch(/nowhere has not answered since .*gave no answer.*Try it by hand/);
    expect((await lab.rigor("show", "silent")).stdout).toMatch(
      /closed +nowhere has not answered since .*gave no answer.*Try it by hand/,
    );
    expect((await lab.rigor("status")).stdout).toContain("nowhere.invalid (ssh) has not answered since");
    await hosts.host("hostA").run("touch /tmp/go");
    expect((await answer).text).toContain("2 done");
    const { computes } = await lab.json<{ computes: Listed[] }>("compute", "list");
    expect(computes.find(({ name }) => name === "nowhere")?.trouble).toMatchObject({
      message: expect.stringContaining("gave no answer") as string,
    });
  });

  test("whose host dies says so of its runs, and goes on elsewhere when a person says that it is lost [compute.closed] [F11]", async () => {
    const { answer } = lab.start(["run", "lost.yaml", "--compute", "hostB"]);
    const [run] = await untilActive("lost");
    await lab.rigor("run", "lost.yaml", "--compute", "hostA", "--detach");
    await hosts.host("hostB").crash();
    const listed = async () => (await lab.rigor("list", "lost")).text;
    await expect.poll(listed, { interval: 500 }).toMatch(/active.*hostB has not answered since/);
    const byHand = `Try it by hand: ssh -F '${hosts.config}' hostB true. `;
    expect((await lab.rigor("show", run)).text).toMatch(/waits +hostB has not answered since/);
    expect((await lab.rigor("show", run)).text).toContain(byHand);

    // What is there cannot be ended, and nothing is started beside it.
    expect((await lab.rigor("cancel", run)).text).toMatch(/is cancelled\. What is under way on hostB, which gives no/);
    await lab.rigor("rerun", run);
    expect(await listed()).toMatch(/pending.*hostB has not answered since/);
    await lab.rigor("cancel", run, "--lost", "--message", "it burnt down");
    await lab.rigor("rerun", run);
    expect((await lab.rigor("run", "lost.yaml", "--compute", "hostA")).text).toContain("1 done");
    expect((await attemptOf(lab, run)).state).toBe("lost");
    await answer;
    await hosts.host("hostB").boot();
  });

  test("are checked with a job, and what is wrong is told with its remedy [compute.check]", async () => {
    const good = await lab.rigor("compute", "check", "hostB");
    expect(good.stdout).toMatch(/ok +job +ran on hostB and came back in/);
    expect(good.status).toBe(0);
    const silent = await lab.rigor("compute", "check", "nowhere");
    expect(silent.stdout).toMatch(
      /wrong +reach +nowhere\.invalid gave no answer[^]*Try it by hand: ssh -F '[^']+' nowhere\.invalid true/,
    );
    expect(silent.status).toBe(1);
    const full = await lab.rigor("compute", "check", "full");
    expect(full.stdout).toMatch(/wrong +disk/);
    expect(full.status).toBe(1);
    const refused = await lab.rigor("compute", "check", "described");
    expect(refused.stdout).toMatch(/wrong +job +a job was refused: .*no server[^]*no other variables of a login/);
  });

  test("start nothing while they rest or are drained, until a person says so, and that is told [compute.steering] [compute.closed]", async () => {
    await lab.rigor("compute", "drain", "hostA", "-m", "maintenance");
    await lab.rigor("compute", "rest", "hostB", "--for", "1h");
    const { said, child } = lab.start(["run", "steered.yaml"]);
    await expect.poll(() => said.text).toMatch(/hostB rests until .*: no reason was given\. .*use hostB/);
    expect(said.text).toMatch(/hostA is drained: maintenance\. To use it again: rigor compute use hostA/);
    expect((await lab.rigor("status")).stdout).toContain("is drained: maintenance");
    child.kill("SIGINT");
    const listed = (await lab.rigor("compute")).stdout;
    expect(listed).toMatch(/hostA.* drained: maintenance/);
    expect(listed).toMatch(/hostB.* resting until /);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    const waiting = await lab.runs("steered");
    expect(waiting.map(({ state }) => state)).toEqual(["pending", "pending"]);
    const shown = (await lab.rigor("show", waiting[0]?.id ?? "")).stdout;
    for (const text of [(await lab.rigor("list", "steered")).stdout, shown]) {
      expect(text).toContain("hostA is drained: maintenance. To use it again: rigor compute use hostA");
      expect(text).toMatch(/hostB rests until .*\. To use it again: rigor compute use hostB/);
    }
    const twice = await lab.rigor("compute", "drain", "hostA");
    expect(twice.text).toContain("hostA is drained already: maintenance");
    await lab.rigor("compute", "use", "hostB");
    expect((await lab.rigor("run", "steered.yaml")).text).toContain("2 done");
    await lab.rigor("compute", "use", "hostA");
  });

  test("gets everything again where the disk of a host was emptied, and says that this was why [compute.emptied] [needs.hosts]", async () => {
    await hosts.host("hostB").run('cd "$HOME/.rigor" && chmod -R u+w . && rm -rf -- *');
    // Its file system might only not be mounted.
    const check = await lab.rigor("compute", "check", "hostB");
    const [, remedy] = /On hostB, .*\/attempts is not there any more\.[^]*(mkdir -p \S+)/.exec(check.stdout) ?? [];
    await hosts.host("hostB").run(remedy ?? "false");
    for (const { id } of await lab.runs("near")) expect((await lab.rigor("rerun", id)).status).toBe(0);
    const answer = await lab.rigor("run", "near.yaml");
    expect(answer.text).toContain("2 done");
    const again: Shown["attempt_list"] = [];
    for (const { id } of await lab.runs("near")) {
      const { attempt_list: attempts } = await lab.json<Shown>("show", id);
      expect([attempts.at(0)?.state, attempts.at(-1)?.state]).toEqual(["succeeded", "succeeded"]);
      again.push(...attempts.slice(1, -1));
    }
    // What the first of them missed may be there again before the other one starts.
    expect(again.length).toBeGreaterThan(0);
    for (const { category, evidence } of again) {
      expect(category).toBe("not-started");
      expect(evidence).toMatch(/^rigor: .*\/\.rigor\/.* is not there, which the run /);
    }
  });
});
