/** Runs that are interrupted on one machine and go on from their checkpoints on another. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSshHosts, sshMissing, type SshLab } from "../clusters/ssh.ts";
import { experiment, UserLab, until } from "../e2e/lab.ts";

/** The first try writes checkpoints that take more than one call, and never ends. A later one says what it found. */
const program = `set -eu
if [ -n "\${RIGOR_RESUME-}" ]; then
  (cd "$RIGOR_RESUME" && find . -type f -exec cksum {} + | sort) >"$RIGOR_OUTPUT/found.txt"
  printf '{"metrics":{"loss":1}}' >"$RIGOR_OUTPUT/result.json"
elif [ "$RIGOR_ATTEMPT" -gt 1 ]; then
  printf '{"metrics":{"loss":2}}' >"$RIGOR_OUTPUT/result.json"
else
  mkdir -p "$RIGOR_OUTPUT/checkpoints/epoch 2"
  cd "$RIGOR_OUTPUT/checkpoints"
  head -c 20000000 /dev/urandom >"epoch 2/model.bin"
  echo 2 >epoch
  find . -type f -exec cksum {} + | sort >"$RIGOR_OUTPUT/written.txt"
  echo ready
  exec sleep 1000
fi
`;

interface Attempt {
  directory: string;
  compute: string;
  state: string;
}

describe.skipIf(sshMissing() !== null)("a run that is interrupted on one host and tried again elsewhere", () => {
  let hosts: SshLab;
  const labs: UserLab[] = [];

  beforeAll(async () => {
    hosts = await startSshHosts({ hostA: {}, hostB: { shell: "/bin/dash" } });
  });

  afterAll(async () => {
    for (const lab of labs) await lab.close();
    await hosts.stop();
  });

  function makeLab(): UserLab {
    const lab = new UserLab().init();
    labs.push(lab);
    const compute = (host: string) => ({ kind: "ssh", host, ssh_config: hosts.config, cpus: 2 });
    lab.commit({
      "run.sh": program,
      "rigor.yaml": JSON.stringify({
        compute: { hostA: compute("hostA"), hostB: compute("hostB"), here: { kind: "local", cpus: 2 } },
      }),
    });
    return lab;
  }

  /** Runs one run, loses its host when it has written checkpoints, and waits until it is done on another. */
  async function interrupt(lab: UserLab, name: string, other: string): Promise<[Attempt, Attempt]> {
    const described = { name, seeds: [1], arms: { only: { role: "baseline" } }, run: "sh run.sh" };
    lab.commit({ [`${name}.yaml`]: experiment(described) });
    await lab.rigor("run", "--detach", `${name}.yaml`, "--compute", "hostA");
    const attempts = async (): Promise<Attempt[]> => {
      const [run] = await lab.runs(name);
      if (run === undefined) throw new Error(`${name} has no run`);
      return (await lab.json<{ attempt_list: Attempt[] }>("show", run.id)).attempt_list;
    };
    await until("checkpoints are written", async () => {
      const [first] = await attempts();
      const log = join(first?.directory ?? "", "stdout.log");
      return existsSync(log) && readFileSync(log, "utf8") === "ready\n";
    });
    await lab.rigor("run", "--detach", `${name}.yaml`, "--compute", other);
    await hosts.host("hostA").crash();
    await hosts.host("hostA").boot();
    expect((await lab.rigor("run", `${name}.yaml`, "--compute", other)).text).toContain("1 done");
    const [first, second] = await attempts();
    if (first === undefined || second === undefined) throw new Error(`${name} was not tried twice`);
    return [first, second];
  }

  const manifestOf = ({ directory }: Attempt) =>
    JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as Record<string, unknown>;

  test.each([["hostB"], ["here"]])(
    "finds its checkpoints there, whole, and its record names whose they are: %s [job.resume-elsewhere] [F24]",
    async (other) => {
      const lab = makeLab();
      const [first, second] = await interrupt(lab, `to-${other.toLowerCase()}`, other);
      expect([first.state, first.compute, second.state, second.compute]).toEqual(["lost", "hostA", "succeeded", other]);
      const wrote = await hosts
        .host("hostA")
        .run(`cat "$HOME"/.rigor/labs/*/attempts/*/"$1"/output/written.txt`, idOf(first));
      const found = await (other === "here"
        ? Promise.resolve(readFileSync(join(second.directory, "output/found.txt"), "utf8"))
        : hosts.host(other).run(`cat "$HOME"/.rigor/labs/*/attempts/*/"$1"/output/found.txt`, idOf(second)));
      expect(found).toBe(wrote);
      expect(manifestOf(first)).toMatchObject({ resumed_from: null, not_resumed: null });
      expect(manifestOf(second)).toMatchObject({
        resumed_from: { attempt: idOf(first), compute: "hostA" },
        not_resumed: null,
      });
    },
  );

  test("starts anew where they cannot be had, and its record says why [job.resume-elsewhere]", async () => {
    const lab = makeLab();
    mkdirSync(lab.home);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=300m", "tmpfs", lab.home]);
    try {
      const [, second] = await interrupt(lab, "anew", "hostB");
      expect(second.state).toBe("succeeded");
      expect(manifestOf(second)).toMatchObject({
        resumed_from: null,
        not_resumed: expect.stringMatching(/could not be carried to .*do not fit into .* on this machine/) as string,
      });
    } finally {
      // Once its files cannot be seen any more, nothing of the daemon can be found.
      await lab.rigor("down");
      execFileSync("umount", ["--lazy", lab.home]);
    }
  });
});

const idOf = ({ directory }: Attempt): string => directory.replace(/.*\//, "");
