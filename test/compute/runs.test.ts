/** Whole experiments on other machines, by the command line: hosts over SSH. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startSshHosts, sshMissing, type SshLab } from "../clusters/ssh.ts";
import { experiment, UserLab } from "../e2e/lab.ts";

const program = `printf '%s' "$RIGOR_ARM on $(cat /proc/sys/kernel/hostname)" >"$RIGOR_OUTPUT/where.txt"
cat "$RIGOR_INPUT_WORDS" part.txt
printf '{"metrics":{"loss":%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
`;

describe.skipIf(sshMissing() !== null)("an experiment on hosts over SSH", () => {
  let hosts: SshLab;
  let lab: UserLab;

  beforeAll(async () => {
    hosts = await startSshHosts({ hostA: {}, hostB: { shell: "/bin/dash", noise: "Welcome!" } });
    lab = new UserLab().init();
    const compute = (host: string) => ({ kind: "ssh", host, ssh_config: hosts.config, cpus: 2 });
    lab.commit({
      "run.sh": program,
      "part.txt": "as committed\n",
      "words.txt": "words of the input\n",
      "rigor.yaml": JSON.stringify({ compute: { hostA: compute("hostA"), hostB: compute("hostB") } }),
      "both.yaml": experiment({
        name: "both",
        compute: ["hostA", "hostB"],
        inputs: { words: { path: "words.txt" } },
        outputs: { artifacts: ["where.txt"] },
        code: ["run.sh", "part.txt"],
        seeds: [1, 2, 3],
        run: "sh run.sh",
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
    expect(answer.status).toBe(0);
    const runs = await lab.runs("both");
    const places = new Set<string>();
    for (const run of runs) {
      const shown = await lab.json<{ attempt_list: { directory: string; compute: string; host: string }[] }>(
        "show",
        run.id,
      );
      const [attempt] = shown.attempt_list;
      if (attempt === undefined) throw new Error("no attempt");
      const where = readFileSync(join(attempt.directory, "output/where.txt"), "utf8");
      places.add(where.replace(/.* on /, ""));
      expect(readFileSync(join(attempt.directory, "stdout.log"), "utf8")).toBe("words of the input\nas committed\n");
    }
    expect(places).toEqual(new Set(["hostA", "hostB"]));
  });
});
