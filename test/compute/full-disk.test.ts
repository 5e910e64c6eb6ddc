/** Whole experiments on SSH hosts of which one has a disk that cannot be written. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sshMissing, startSshHosts, type SshLab } from "../clusters/ssh.ts";
import { experiment, UserLab } from "../e2e/lab.ts";

interface Shown {
  attempt_list: { compute: string; state: string; category: string | null; evidence: string | null }[];
}

describe.skipIf(sshMissing() !== null)("a host whose disk cannot be written", () => {
  let hosts: SshLab;
  let lab: UserLab;

  const disk = (command: string) => hosts.host("hostA").run(command);

  beforeAll(async () => {
    hosts = await startSshHosts({ hostA: {}, hostB: {} });
    await disk("mkdir /tmp/disk && mount -t tmpfs -o size=2g none /tmp/disk");
    lab = new UserLab().init();
    const compute = (host: string) => ({ kind: "ssh", host, ssh_config: hosts.config, cpus: 2 });
    const described = {
      run: 'cat /proc/sys/kernel/hostname; echo \'{"metrics":{"loss":\'$RIGOR_SEED\'}}\' >"$RIGOR_OUTPUT/result.json"',
      compute: ["small", "hostB"],
    };
    lab.commit({
      "rigor.yaml": JSON.stringify({
        compute: { small: { ...compute("hostA"), workdir: "/tmp/disk/lab" }, hostB: compute("hostB") },
      }),
      "good.yaml": experiment({ ...described, name: "good", seeds: [10], compute: ["small"] }),
      "full.yaml": experiment({ ...described, name: "full", seeds: [1, 2, 3] }),
      "closed.yaml": experiment({ ...described, name: "closed", seeds: [7, 8] }),
      "alone.yaml": experiment({ ...described, name: "alone", seeds: [9], compute: ["small"] }),
    });
    // It is proven, and what experiments need is there.
    const good = await lab.rigor("run", "good.yaml");
    if (good.status !== 0) throw new Error(good.text);
  });

  afterAll(async () => {
    await disk("umount --lazy /tmp/disk").catch(() => undefined);
    await lab.close();
    await hosts.stop();
  });

  test.each([
    [
      "full.yaml",
      "full",
      "mount -o remount,size=$(du -sk /tmp/disk | cut -f1)k /tmp/disk",
      /the disk is full: 0 MB are free/,
    ],
    ["closed.yaml", "closed", "mount -o remount,ro,size=2g /tmp/disk", /nothing can be written: Read-only file system/],
  ])("is named, and %s goes on without it [compute.no-room] [compute.closed]", async (file, name, spoil, found) => {
    await disk(spoil);
    try {
      const answer = await lab.rigor("run", file);
      expect(answer.text).toMatch(/\d done/);
      expect(answer.text).not.toContain("has not answered");
      for (const { id } of await lab.runs(name)) {
        const { attempt_list: attempts } = await lab.json<Shown>("show", id);
        expect(attempts.at(-1)).toMatchObject({ compute: "hostB", state: "succeeded" });
        for (const attempt of attempts.slice(0, -1)) expect(attempt).toMatchObject({ category: "disk-full" });
      }
      const waiting = lab.start(["run", "alone.yaml"]);
      await expect.poll(() => waiting.said.text).toMatch(found);
      expect(waiting.said.text).toContain("nothing starts on small: ");
      expect((await lab.rigor("status")).stdout).toMatch(found);
      expect((await lab.rigor("compute")).stdout).toMatch(found);
      waiting.child.kill("SIGINT");
    } finally {
      await disk("mount -o remount,rw,size=2g /tmp/disk");
    }
  });

  test("is used again by itself when there is room [compute.no-room]", async () => {
    expect((await lab.rigor("run", "alone.yaml")).text).toContain("2 done");
  });
});
