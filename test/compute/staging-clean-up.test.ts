import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { scratchRepository } from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";
import type { CleanUpRequest } from "../../packages/rigor/src/provenance/staging/clean-up.ts";
import type { Staged } from "../../packages/rigor/src/provenance/staging/stager.ts";
import { type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { busyboxHost, none, replaceShell, requestOf, root, startStager } from "./staging.testing.ts";

const day = 86_400;

/** Notes a use whenever something gets another name, as a stage at that moment does. */
const racingMv = `#!/bin/sh
if [ -e ~/race ]; then
  rm ~/race
  for mark in "${root}"/used/*; do date +%s >"$mark"; done
fi
exec /usr/bin/mv "$@"
`;

/** A disk of 100 kB on which each checkout takes 10. */
const countingDf = `#!/bin/sh
kept=$(ls -d "${root}"/checkouts/*/ | wc -l)
echo Filesystem
echo "/dev/x 100 0 $((100 - 10 * kept)) 0% /"
`;

describe.skipIf(sshMissing() !== null)("a clean-up of what was staged", () => {
  let lab: SshLab;

  beforeAll(async () => {
    lab = await startSshHosts({
      plain: {},
      busybox: busyboxHost,
      racing: { programs: { mv: racingMv } },
      small: { programs: { df: countingDf } },
    });
    await replaceShell(lab, "busybox");
  });

  afterAll(async () => {
    await lab.stop();
  });

  beforeEach(async () => {
    for (const host of ["plain", "busybox", "racing", "small"]) {
      await lab.host(host).run('chmod -R u+w "$1" 2>/dev/null; rm -rf "$1"', root);
    }
  });

  /** Stages something with a checkout, an environment and an input of its own. */
  async function stageAt(host: string): Promise<{ staged: Staged; stageAgain: () => Promise<Staged> }> {
    const repository = scratchRepository({ "package-lock.json": "{}", "data.txt": `${Math.random()}` });
    const environment = {
      ...none,
      manager: "npm" as const,
      setup: "mkdir node_modules",
      variables: { AT: repository },
    };
    const request = await requestOf(repository, { environment, inputs: { data: { path: "data.txt" } } });
    const stageAgain = () => startStager(lab, host).stager.stage(request);
    return { staged: await stageAgain(), stageAgain };
  }

  const pathsOf = ({ directory, environment, inputs }: Staged): string[] => [
    directory,
    environment.directory ?? "",
    ...Object.values(inputs),
  ];

  /** As if something had not been used for some seconds. */
  async function age(host: string, paths: readonly string[], seconds: number): Promise<void> {
    const marks = paths.map((path) => path.slice(root.length + 1).replace("/", "."));
    const script =
      'cd "$1/used" && shift && at=$1 && shift && for mark; do echo "$(($(date +%s) - at))" >"$mark"; done';
    await lab.host(host).run(script, root, String(seconds), ...marks);
  }

  /** Everything that is kept on a host, relative to its root. */
  async function kept(host: string): Promise<string[]> {
    const script = 'cd "$1" && ls -d checkouts/* environments/* inputs/* used/* 2>/dev/null || true';
    return (await lab.host(host).run(script, root)).trim().split("\n");
  }

  const request = (more: Partial<CleanUpRequest>): CleanUpRequest => {
    return { in_use: [], inputs_in_use: [], unused_for: 30 * day, wanted_free: null, ...more };
  };

  test.each(["plain", "busybox"])(
    "what nobody used for long is removed whole from a host that is %s, and is made again [staging.clean-up]",
    async (host) => {
      const old = await stageAt(host);
      const used = await stageAt(host);
      const young = await stageAt(host);
      await age(host, [...pathsOf(old.staged), ...pathsOf(used.staged)], 31 * day);
      await age(host, pathsOf(young.staged), 29 * day);
      const { stager } = startStager(lab, host);
      const removed = await stager.cleanUp(request({ in_use: pathsOf(used.staged) }));
      const names = removed.map(({ kind, name }) => `${root}/${kind}/${name}`);
      expect(names.sort()).toEqual(pathsOf(old.staged).sort());
      expect(removed.every(({ unused_for }) => unused_for >= 31 * day)).toBe(true);
      const left = await kept(host);
      for (const path of pathsOf(old.staged).map((one) => one.slice(root.length + 1))) {
        expect(left.filter((one) => one.startsWith(path) || one === `used/${path.replace("/", ".")}`)).toEqual([]);
      }
      for (const path of [...pathsOf(used.staged), ...pathsOf(young.staged)]) {
        expect(left).toContain(path.slice(root.length + 1));
      }
      expect(await stager.cleanUp(request({ unused_for: 31 * day })), "what was in use was noted as used now").toEqual(
        [],
      );
      expect(await old.stageAgain()).toMatchObject({ directory: old.staged.directory, inputs: old.staged.inputs });
      await lab.host(host).run('[ -e "$1/package-lock.json" ]', old.staged.directory);
    },
  );

  test("for room the longest unused goes first, and nothing that was used within a day [staging.clean-up]", async () => {
    const all = [await stageAt("small"), await stageAt("small"), await stageAt("small"), await stageAt("small")];
    const [first, second, third, fourth] = all.map(({ staged }) => staged.directory) as [
      string,
      string,
      string,
      string,
    ];
    for (const [index, directory] of [second, first, third].entries()) {
      await age("small", [directory], (index + 2) * day);
    }
    const { stager } = startStager(lab, "small");
    const wanted = (kilobytes: number) => request({ wanted_free: kilobytes * 1024 });
    expect(await stager.cleanUp(wanted(60)), "there is as much").toEqual([]);
    expect((await stager.cleanUp(wanted(75))).map(({ name }) => name)).toEqual([basename(third), basename(first)]);
    expect((await stager.cleanUp(wanted(100))).map(({ name }) => name)).toEqual([basename(second)]);
    expect(await kept("small")).toContain(fourth.slice(root.length + 1));
  });

  test("what is asked for at the moment of its removal stays [staging.clean-up]", async () => {
    const { staged } = await stageAt("racing");
    await age("racing", pathsOf(staged), 31 * day);
    await lab.host("racing").run("touch ~/race");
    expect(await startStager(lab, "racing").stager.cleanUp(request({}))).toEqual([]);
    for (const path of pathsOf(staged)) await lab.host("racing").run('[ -e "$1" ]', path);
    expect((await kept("racing")).join()).not.toContain("removed");
  });

  test("what was left half removed or half made goes, and is never taken for complete [staging.clean-up]", async () => {
    const { staged, stageAgain } = await stageAt("plain");
    const host = lab.host("plain");
    for (const path of pathsOf(staged))
      await host.run('mv "$1" "$1.removed-1" && cp -r "$1.removed-1" "$1.partial-1"', path);
    const again = await stageAgain();
    expect(again.directory).toBe(staged.directory);
    await host.run('[ -e "$1/package-lock.json" ]', again.directory);
    await age("plain", pathsOf(staged), 31 * day);
    expect(await startStager(lab, "plain").stager.cleanUp(request({}))).toHaveLength(3);
    expect((await kept("plain")).filter((path) => !path.startsWith("used/"))).toEqual([]);
  });

  test("what was never noted as used counts from the first clean-up on [staging.clean-up]", async () => {
    const { staged } = await stageAt("plain");
    await lab.host("plain").run('rm -r "$1/used"', root);
    const { stager } = startStager(lab, "plain");
    expect(await stager.cleanUp(request({ unused_for: 2 * day }))).toEqual([]);
    await age("plain", pathsOf(staged), 3 * day);
    expect(await stager.cleanUp(request({ unused_for: 2 * day }))).toHaveLength(3);
  });

  test("where nothing was ever staged there is nothing to remove, and a path from elsewhere is refused", async () => {
    const { stager } = startStager(lab, "plain");
    expect(await stager.cleanUp(request({}))).toEqual([]);
    await expect(stager.cleanUp(request({ in_use: ["/etc/passwd"] }))).rejects.toMatchObject({ code: "internal" });
  });

  function basename(path: string): string {
    return path.slice(path.lastIndexOf("/") + 1);
  }
});
