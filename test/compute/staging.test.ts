import { randomBytes } from "node:crypto";
import { chmodSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  commitAll,
  runGit,
  scratchDirectory,
  scratchRepository,
  writeFiles,
} from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";
import type { Environment } from "../../packages/rigor/src/domain/experiment.ts";
import { SshShell } from "../../packages/rigor/src/hosts/ssh-shell.ts";
import { RemoteStager } from "../../packages/rigor/src/provenance/staging/remote-stager.ts";
import { wheelProject } from "../../packages/rigor/src/provenance/wheel.testing.ts";
import { type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { busyboxHost, none, replaceShell, requestOf, root, startStager } from "./staging.testing.ts";

describe.skipIf(sshMissing() !== null)("staging over ssh", () => {
  let lab: SshLab;

  beforeAll(async () => {
    lab = await startSshHosts({
      plain: {},
      noisy: { banner: "Authorized users only.", noise: "Welcome to noisy!\nLast login: today" },
      busybox: busyboxHost,
      dash: { shell: "/bin/dash", without: ["setsid"] },
      gitless: { without: ["git"] },
      slow: { shellDelay: 0.5 },
      small: {},
      full: { programs: { df: "#!/bin/sh\necho Filesystem\necho /dev/x 100 90 10 90% /\n" } },
    });
    await replaceShell(lab, "busybox");
  });

  afterEach(() => {
    vi.unstubAllEnvs();
  });

  afterAll(async () => {
    await lab.stop();
  });

  /** What lies below a directory of a host: `mode path -> target` of everything, sorted. */
  async function listing(host: string, directory: string): Promise<string[]> {
    const script = `cd "$1" && find . -type l -printf 'link %p -> %l\\n' -o -printf '%m %p\\n' | LC_ALL=C sort`;
    return (await lab.host(host).run(script, directory)).trimEnd().split("\n");
  }

  function readOn(host: string, path: string): Promise<string> {
    return lab.host(host).run('cat "$1"', path);
  }

  describe.each(["plain", "noisy", "busybox", "dash", "gitless", "slow"])("on a host that is %s", (host) => {
    test("a commit becomes a read-only checkout, made once [staging.by-commit]", async () => {
      const repository = scratchRepository({
        script: "#!/bin/sh\necho ran\n",
        "dir/a b\nc": "1",
        'it\'s/"x"': "2",
        [`${"long/".repeat(25)}name`]: "3",
        ".gitattributes": "*.bat eol=crlf\nhidden export-ignore\n",
        hidden: "4",
        "x.bat": "a\nb\n",
      });
      chmodSync(join(repository, "script"), 0o755);
      symlinkSync("script", join(repository, "link"));
      symlinkSync(`nowhere/${"far/".repeat(30)}`, join(repository, "dangling"));
      commitAll(repository);
      writeFiles(repository, { script: "changed since" });
      const request = await requestOf(repository);
      const { stager, shell } = startStager(lab, host);
      const { directory } = await stager.stage(request);
      expect(directory).toBe(`${root}/checkouts/${request.commit}`);
      expect(await listing(host, directory)).toEqual(
        [
          "500 .",
          "400 ./.gitattributes",
          "500 ./dir",
          "400 ./dir/a b",
          "c",
          "400 ./hidden",
          "500 ./it's",
          '400 ./it\'s/"x"',
          ...Array.from({ length: 25 }, (_, index) => `500 ./${"long/".repeat(index + 1).slice(0, -1)}`),
          `400 ./${"long/".repeat(25)}name`,
          "500 ./script",
          "400 ./x.bat",
          "link ./link -> script",
          `link ./dangling -> nowhere/${"far/".repeat(30)}`,
        ].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      );
      expect(await readOn(host, `${directory}/x.bat`)).toBe("a\r\nb\r\n");
      expect(await lab.host(host).run('"$1/link"', directory)).toBe("ran\n");

      const before = shell.scripts.length;
      expect((await stager.stage(request)).directory).toBe(directory);
      expect(shell.scripts.length - before, "round trips for the second job of a commit").toBe(1);
    });

    test("a checkout that somebody wrote into is made anew elsewhere [provenance.checkout-changed]", async () => {
      const request = await requestOf(scratchRepository({ "lib/value": "3\n" }));
      const { stager } = startStager(lab, host);
      const { directory } = await stager.stage(request);
      // Some shells count the times of files in seconds.
      await sleep(1_100);
      await lab.host(host).run('chmod u+w "$1/lib/value"; echo 9 >"$1/lib/value"; chmod -R u+w "$1"', directory);
      const anew = await stager.stage(request);
      expect(anew.directory).toBe(`${directory}-2`);
      expect(await readOn(host, `${anew.directory}/lib/value`)).toBe("3\n");
      expect((await startStager(lab, host).stager.stage(request)).directory).toBe(anew.directory);
    });

    test("inputs arrive whole, once, and read-only [staging.inputs-once]", async () => {
      const folder = scratchDirectory();
      const large = Buffer.alloc(9_000_000, "abcdefghi\n");
      writeFileSync(join(folder, "large.bin"), large);
      writeFiles(folder, { "data/a b\\c\nd": "1", "data/in/e": "", "data/tool": "#!/bin/sh\n" });
      chmodSync(join(folder, "data/tool"), 0o755);
      writeFileSync(join(folder, "data/in/large"), large.subarray(5));
      const repository = scratchRepository();
      const inputs = {
        corpus: { path: join(folder, "large.bin") },
        "data set": { path: join(folder, "data") },
        same: { path: join(folder, "data") },
      };
      const request = await requestOf(repository, { inputs });
      const { stager, shell } = startStager(lab, host);
      const staged = await stager.stage(request);
      const sendsInput = /inputs\/[0-9a-f]{64}\.partial/;
      expect(shell.scripts.filter((script) => sendsInput.test(script)).length).toBeGreaterThan(5);
      expect(Object.keys(staged.inputs)).toEqual(["corpus", "data set", "same"]);
      expect(staged.inputs["same"]).toBe(staged.inputs["data set"]);
      const [corpus = "", data = ""] = Object.values(staged.inputs);
      expect(corpus).toBe(`${root}/inputs/${request.inputs["corpus"]?.sha256}`);
      expect(await lab.host(host).run('sha256sum <"$1"', corpus)).toContain(request.inputs["corpus"]?.sha256);
      expect(await lab.host(host).run('stat -c %a "$1"', corpus)).toBe("400\n");
      expect(await listing(host, data)).toEqual([
        "400 ./a b\\c",
        "400 ./in/e",
        "400 ./in/large",
        "500 .",
        "500 ./in",
        "500 ./tool",
        "d",
      ]);
      expect(request.said).toContain(`copying input corpus to ${host}: 9 MB of 9 MB`);

      const other = await requestOf(scratchRepository({ other: "1" }), { inputs });
      shell.scripts.length = 0;
      expect((await stager.stage(other)).inputs).toEqual(staged.inputs);
      expect(shell.scripts.filter((script) => sendsInput.test(script))).toEqual([]);
      expect(await lab.host(host).run('ls -A "$1/inputs"', root)).not.toContain("partial");
    });
  });

  /** A project whose one package lies beside it, so that nothing is downloaded. */
  const npmProject = {
    "package.json": JSON.stringify({ name: "project", version: "1.0.0", dependencies: { tiny: "file:vendor/tiny" } }),
    "package-lock.json": JSON.stringify({
      name: "project",
      version: "1.0.0",
      lockfileVersion: 3,
      packages: {
        "": { name: "project", version: "1.0.0", dependencies: { tiny: "file:vendor/tiny" } },
        "node_modules/tiny": { resolved: "vendor/tiny", link: true },
        "vendor/tiny": { name: "tiny", version: "2.0.1" },
      },
    }),
    "vendor/tiny/package.json": JSON.stringify({
      name: "tiny",
      version: "2.0.1",
      type: "module",
      exports: "./tiny.js",
    }),
    "vendor/tiny/tiny.js": "export default 42;\n",
    "run.mjs": 'import tiny from "tiny"; console.log(tiny);\n',
  };

  const npm: Environment = { ...none, manager: "npm" };

  describe.each(["plain", "noisy", "busybox", "dash", "gitless"])("an environment on a host that is %s", (host) => {
    test("is built by npm from the committed lock and used by runs [staging.environment-once]", async () => {
      const request = await requestOf(scratchRepository(npmProject), { environment: npm });
      const { stager, shell } = startStager(lab, host);
      const { directory, environment } = await stager.stage(request);
      expect(environment.record).toMatchObject({ manager: "npm", packages: { "vendor/tiny": "2.0.1" }, host });
      expect(environment.record.runtime["node"]).toMatch(/^v\d+/);
      expect(request.lines.join("\n")).toContain("npm ci");
      expect(request.lines.at(-1)).toBe("exit status 0");
      expect(await readOn(host, environment.log_file ?? "")).toContain("added 1 package");
      expect(await lab.host(host).run('cd "$1" && node run.mjs', directory)).toBe("42\n");

      shell.scripts.length = 0;
      await stager.stage(request);
      expect(shell.scripts.length, "round trips for the second job of a commit").toBe(1);
      const other = startStager(lab, host, "lab-2");
      const again = await requestOf(scratchRepository({ ...npmProject, more: "1" }), { environment: npm });
      expect((await other.stager.stage(again)).environment).toEqual(environment);
      expect(again.said.join()).not.toContain("building");
    });
  });

  test("a venv is built from a committed wheel and used by runs [staging.environment-once]", async () => {
    const request = await requestOf(wheelProject(), {
      environment: { ...none, manager: "pip", lock: "py/requirements.txt" },
    });
    const { stager } = startStager(lab, "dash");
    const { directory, environment } = await stager.stage(request);
    expect(environment.record.packages).toMatchObject({ tinypkg: "1.0" });
    const script = 'cd "$1" && PATH=$2:$PATH && python py/run.py';
    const [bin = ""] = environment.path_prefix;
    expect(await lab.host("dash").run(script, directory, bin)).toBe(`42 ${environment.variables["VIRTUAL_ENV"]}\n`);
  });

  describe("code", () => {
    test("that changed a little costs little to send [staging.by-commit]", async () => {
      const repository = scratchRepository({ "large.txt": randomBytes(1_000_000).toString("hex"), "a.txt": "1" });
      const { stager, shell } = startStager(lab, "plain");
      await stager.stage(await requestOf(repository));
      expect(shell.sent).toBeGreaterThan(900_000);
      shell.sent = 0;
      writeFiles(repository, { "a.txt": "2" });
      commitAll(repository);
      const { directory } = await stager.stage(await requestOf(repository));
      expect(shell.sent).toBeLessThan(1_000);
      expect(await readOn("plain", `${directory}/a.txt`)).toBe("2");
      expect((await readOn("plain", `${directory}/large.txt`)).length).toBe(2_000_000);
    });

    test.each(["objects/pack/*", "refs/rigor/commits/*", "HEAD"])(
      "arrives whole where old files such as %s were removed from the repository on the host [staging.by-commit]",
      async (removed) => {
        const repository = scratchRepository({ "large.txt": "x".repeat(10_000), "a.txt": "1" });
        const { stager } = startStager(lab, "plain");
        await stager.stage(await requestOf(repository));
        await lab.host("plain").run(`cd "$1/repositories" && rm -f *.git/${removed}`, root);
        writeFiles(repository, { "a.txt": "2" });
        commitAll(repository);
        const { directory } = await stager.stage(await requestOf(repository));
        expect((await readOn("plain", `${directory}/large.txt`)).length).toBe(10_000);
        expect(await readOn("plain", `${directory}/a.txt`)).toBe("2");
      },
    );

    test.each(["plain", "busybox"])(
      "whose content a filter makes here is the same on a host that is %s [staging.by-commit]",
      async (host) => {
        const files = { ".gitattributes": "*.big filter=upper\n", "a.big": "pointer\n", b: "b\n" };
        const repository = scratchRepository(files);
        symlinkSync("a.big", join(repository, "link"));
        commitAll(repository);
        runGit(repository, "config", "filter.upper.smudge", "tr a-z A-Z");
        const { directory } = await startStager(lab, host).stager.stage(await requestOf(repository));
        expect(await readOn(host, `${directory}/link`)).toBe("POINTER\n");
        expect(await readOn(host, `${directory}/b`)).toBe("b\n");
      },
    );

    test("of a repository with long names of objects is checked out [staging.by-commit]", async () => {
      const repository = scratchDirectory();
      runGit(repository, "init", "--quiet", "--object-format=sha256");
      writeFiles(repository, { a: "1" });
      commitAll(repository);
      const { directory } = await startStager(lab, "plain").stager.stage(await requestOf(repository));
      expect(await readOn("plain", `${directory}/a`)).toBe("1");
    });

    test.each(["plain", "gitless"])("with a committed node_modules is refused on a host that is %s", async (host) => {
      const repository = scratchRepository({ ...npmProject, "node_modules/x": "1" });
      const staging = startStager(lab, host).stager.stage(await requestOf(repository, { environment: npm }));
      await expect(staging).rejects.toMatchObject({
        code: "repository",
        message: expect.stringMatching(/^node_modules is/),
      });
      expect(await lab.host(host).run('ls "$1/checkouts"', root)).not.toContain("partial");
    });
  });

  describe("an environment that cannot be built", () => {
    const broken = (setup: string): Environment => ({ ...npm, setup, pass: ["RIGOR_TEST_SECRET"] });

    test("is an error with the last lines and the log, and is built when it is asked for again [F21]", async () => {
      const repository = scratchRepository(npmProject);
      const setup = 'echo "secret $RIGOR_TEST_SECRET"; [ -e ~/mended ] && npm ci';
      vi.stubEnv("RIGOR_TEST_SECRET", "it's 5ecret");
      const request = await requestOf(repository, { environment: broken(setup) });
      const { stager } = startStager(lab, "dash");
      const failure: unknown = await stager.stage(request).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "environment", message: expect.stringContaining("exit status 1") });
      const [, log = ""] = /The whole log: dash:(.*)$/.exec(String(failure)) ?? [];
      expect(await readOn("dash", log)).toContain("secret ***");
      expect(`${String(failure)}${request.lines.join()}${await readOn("dash", log)}`).not.toContain("5ecret");
      expect(await lab.host("dash").run('grep -rl 5ecret "$1" || true', root)).toBe("");

      await lab.host("dash").run("touch ~/mended");
      const staged = await stager.stage(request);
      expect(await lab.host("dash").run('cd "$1" && node run.mjs', staged.directory)).toBe("42\n");
    });

    test.each<[string, () => string, Environment, number]>([
      ["a venv", wheelProject, { ...none, manager: "pip", lock: "py/requirements.txt" }, 6],
      // Nothing more can be written, not even that and why the build has ended.
      [
        "what is installed, to the last byte",
        () => scratchRepository(npmProject),
        { ...npm, setup: "if [ ! -e ~/freed ]; then cat /dev/zero >fill; exit 1; fi; npm ci" },
        2,
      ],
    ])(
      "because the disk is full with %s says so and what to do, and is no environment for whoever comes next [F21] [staging.full-disk]",
      async (_, repositoryOf, environment, megabytes) => {
        const small = lab.host("small");
        await small.run('rm -f ~/freed; mkdir -p "$1" && mount -t tmpfs -o "size=$2m" none "$1"', root, `${megabytes}`);
        const request = await requestOf(repositoryOf(), { environment });
        const { stager } = startStager(lab, "small");
        const failure: unknown = await stager.stage(request).catch((error: unknown) => error);
        expect(failure).toMatchObject({
          code: expect.stringMatching(/^(?:environment|storage)$/) as string,
          message: expect.stringMatching(/No space left on device/) as string,
          next: expect.stringMatching(/[Ff]ree (?:space|room)/) as string,
        });
        const whole = 'find "$1" -name complete.json';
        expect(await small.run(whole, root)).toBe("");
        // Nor is it one for another daemon, while nothing was freed.
        await expect(startStager(lab, "small", "lab-2").stager.stage(request)).rejects.toMatchObject({
          message: expect.stringMatching(/No space left on device/) as string,
        });
        expect(await small.run(whole, root)).toBe("");
        await small.run('touch ~/freed; mount -o remount,size=400m "$1"', root);
        const { environment: built } = await stager.stage(request);
        expect(Object.keys(built.record.packages)).not.toHaveLength(0);
        await small.run('umount -l "$1"', root);
      },
    );

    test("because its manager is not there names the host and what to do [F21]", async () => {
      const environment: Environment = { ...none, manager: "conda", lock: "environment.yml" };
      const repository = scratchRepository({ "environment.yml": "dependencies: [python=3.12]\n" });
      const staging = startStager(lab, "plain").stager.stage(await requestOf(repository, { environment }));
      await expect(staging).rejects.toMatchObject({
        code: "environment",
        message: expect.stringContaining("on plain"),
      });
    });
  });

  describe("an input", () => {
    test("that changed since the experiment was planned is refused, and nothing is sent [staging.inputs-once]", async () => {
      const repository = scratchRepository({ "data.txt": "planned" });
      const request = await requestOf(repository, { inputs: { data: { path: "data.txt" } } });
      writeFiles(repository, { "data.txt": "another" });
      const { stager, shell } = startStager(lab, "plain");
      await expect(stager.stage(request)).rejects.toMatchObject({ code: "not-possible" });
      expect(shell.scripts).toEqual([]);
    });

    test.each([
      ["with the same size", "another"],
      ["with another size", "longer than before"],
    ])("that changes %s while it is sent is refused [staging.inputs-once]", async (_, content) => {
      const repository = scratchRepository({ "data.txt": "planned" });
      const request = await requestOf(repository, { inputs: { data: { path: "data.txt" } } });
      const { stager, shell } = startStager(lab, "plain");
      shell.during = (script) => {
        if (script.includes("df -Pk")) writeFiles(repository, { "data.txt": content });
      };
      await expect(stager.stage(request)).rejects.toMatchObject({ code: "not-possible" });
      const there = await lab.host("plain").run('ls "$1/inputs"', root);
      expect(there.split("\n")).not.toContain(request.inputs["data"]?.sha256);
    });

    test("that does not fit is refused before anything is sent [F21]", async () => {
      const repository = scratchRepository({ "data.txt": "x".repeat(20_000) });
      const request = await requestOf(repository, { inputs: { data: { path: "data.txt" } } });
      await expect(startStager(lab, "full").stager.stage(request)).rejects.toMatchObject({
        code: "storage",
        message: expect.stringMatching(/^20 kB of inputs \(data\) do not fit into .* on full: 10 kB are free$/),
      });
    });
  });

  test("a host that nobody reaches is no reason to conclude anything [F11]", async () => {
    const shell = new SshShell({ host: "nowhere.invalid", config: lab.config });
    const stager = new RemoteStager({ shell, root, owner: "lab-1", inputHashes: null, pauses: [] });
    await expect(stager.stage(await requestOf(scratchRepository()))).rejects.toMatchObject({ code: "unreachable" });
    await expect(
      stager.cleanUp({ in_use: [], inputs_in_use: [], unused_for: 0, wanted_free: null }),
    ).rejects.toMatchObject({
      code: "unreachable",
    });
  });
});
