import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  scratchDirectory,
  scratchRepository,
  writeFiles,
} from "../../packages/rigor/src/provenance/scratch-repository.testing.ts";
import type { Staged } from "../../packages/rigor/src/provenance/staging/stager.ts";
import { until } from "../clusters/host.ts";
import { type SshHost, type SshLab, sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { patient, patientProject, requestOf, root, startStager } from "./staging.testing.ts";

describe.skipIf(sshMissing() !== null)("staging that is interrupted", () => {
  let lab: SshLab;
  let host: SshHost;
  let home: string;

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), "rigor-home-"));
    // Two login nodes of a cluster see one home.
    lab = await startSshHosts({ plain: { home }, other: { home } });
    host = lab.host("plain");
  });

  afterAll(async () => {
    await lab.stop();
    rmSync(home, { recursive: true, force: true, maxRetries: 10 });
  });

  beforeEach(async () => {
    for (const file of ["began", "go-on"]) rmSync(join(host.home, file), { force: true });
    await host.run('chmod -R u+w "$1" 2>/dev/null; rm -rf "$1"', root);
  });

  const goOn = () => writeFileSync(join(host.home, "go-on"), "");
  const builds = () => (existsSync(join(host.home, "began")) ? readFileSync(join(host.home, "began")).length : 0);
  const untilBuilding = () =>
    until(
      () => builds() > 0,
      90_000,
      () => "No build began.",
    );

  /** A project with an environment, a small input and a large one, none of which any host has. */
  async function newRequest(signal?: AbortSignal) {
    const folder = scratchDirectory();
    const data = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`data/${index}`, `${Math.random()}`]));
    writeFiles(folder, data);
    writeFileSync(join(folder, "large"), randomBytes(13_000_000));
    const inputs = { data: { path: join(folder, "data") }, large: { path: join(folder, "large") } };
    const repository = scratchRepository({ ...patientProject, "large.bin": randomBytes(5_000_000).toString("hex") });
    const environment = { ...patient, variables: { ONLY_THIS_TEST: `${Math.random()}` } };
    return requestOf(repository, { environment, inputs, ...(signal === undefined ? {} : { signal }) });
  }

  /** Parts of something that is not whole. */
  function leftovers(): Promise<string> {
    const find =
      'cd "$1" && find checkouts environments inputs incoming -name "*.partial*" -o -name "*.sent" -o -path "incoming/*"';
    return host.run(find, root);
  }

  /** What is staged is what was asked for. */
  async function expectWhole(staged: Staged, request: Awaited<ReturnType<typeof newRequest>>): Promise<void> {
    const { directory, environment, inputs } = staged;
    const inRepository = readFileSync(join(request.repository, "large.bin"), "utf8");
    expect(await host.run('cat "$1/large.bin"', directory)).toBe(inRepository);
    expect(await host.run('ls "$1/source"', environment.directory ?? "")).toContain("node_modules");
    expect(await host.run('sha256sum <"$1"', inputs["large"] ?? "")).toContain(request.inputs["large"]?.sha256);
    const names = Array.from({ length: 50 }, (_, index) => String(index)).sort();
    expect((await host.run('cd "$1" && ls', inputs["data"] ?? "")).trim().split("\n").sort()).toEqual(names);
  }

  describe("a connection that is lost", () => {
    test.each([0, 15, 60])("%s ms into every step leaves all of them whole [staging.interrupted]", async (delay) => {
      const request = await newRequest();
      goOn();
      const { stager, shell } = startStager(lab, "plain");
      const lost = new Set<string>();
      let drops = 0;
      shell.during = async (script) => {
        if (lost.has(script)) return;
        lost.add(script);
        await sleep(delay);
        drops += (await host.dropConnections()) > 0 ? 1 : 0;
      };
      const staged = await stager.stage(request);
      shell.during = () => undefined;
      expect(drops).toBeGreaterThan(5);
      expect(builds()).toBe(1);
      await expectWhole(staged, request);
      expect(await leftovers()).toBe("");
    });

    test("for long lets a build go on, which the next who asks finds [staging.environment-once] [staging.interrupted] [F11]", async () => {
      const request = await newRequest();
      const first = startStager(lab, "plain", "lab-1", []);
      const staging = first.stager.stage(request);
      const failure = staging.catch((error: unknown) => error);
      await untilBuilding();
      await host.freeze();
      goOn();
      expect(await failure).toMatchObject({ code: "unreachable" });
      await host.thaw();
      const again = { ...request, said: [], lines: [] };
      await expectWhole(await startStager(lab, "plain").stager.stage(again), request);
      expect(builds()).toBe(1);
    });

    test.each(["incoming", "inputs"])(
      "while much is sent to %s loses little of it [staging.inputs-once] [staging.interrupted]",
      async (folder) => {
        const request = await newRequest();
        goOn();
        const piece = new RegExp(`dd of=.*${folder}.* seek=([1-9]\\d*)`);
        const first = startStager(lab, "plain", "lab-1", []);
        first.shell.before = async (script) => {
          if (piece.test(script)) await host.refuse();
        };
        await expect(first.stager.stage(request)).rejects.toMatchObject({ code: "unreachable" });
        await host.serve();
        const second = startStager(lab, "plain");
        await expectWhole(await second.stager.stage(request), request);
        const sent = second.shell.scripts.find((script) => script.includes("dd of=") && script.includes(`/${folder}/`));
        expect(sent).toMatch(piece);
        expect(await leftovers()).toBe("");
      },
    );
  });

  describe("a host that crashes", () => {
    test("while it builds builds again when it is back [staging.environment-once] [staging.interrupted]", async () => {
      const request = await newRequest();
      const staging = startStager(lab, "plain", "lab-1", []).stager.stage(request);
      const failure = staging.catch((error: unknown) => error);
      await untilBuilding();
      await host.crash();
      expect(await failure).toMatchObject({ code: "unreachable" });
      await host.boot();
      goOn();
      await expectWhole(await startStager(lab, "plain").stager.stage(request), request);
      expect(builds()).toBe(2);
    });

    test.each([/index-pack/, /checkout-index/, /tar -xzf/, /dd of=.*seek=[1-9]/])(
      "during %s is staged whole afterwards [staging.interrupted]",
      async (step) => {
        const request = await newRequest();
        goOn();
        const first = startStager(lab, "plain", "lab-1", []);
        let crashed = false;
        first.shell.during = async (script) => {
          if (crashed || !step.test(script)) return;
          crashed = true;
          await sleep(Math.random() * 40);
          await host.crash();
        };
        await expect(first.stager.stage(request)).rejects.toMatchObject({ code: "unreachable" });
        await host.boot();
        await expectWhole(await startStager(lab, "plain").stager.stage(request), request);
      },
    );
  });

  describe("stagers at the same time", () => {
    test("of one daemon and of several labs make one of everything [staging.environment-once] [staging.inputs-once]", async () => {
      const request = await newRequest();
      goOn();
      const daemon = startStager(lab, "plain");
      const others = ["lab-2", "lab-3"].map((owner) => startStager(lab, "plain", owner));
      const all = await Promise.all([daemon, daemon, ...others].map(({ stager }) => stager.stage(request)));
      expect(new Set(all.map((staged) => JSON.stringify(staged))).size).toBe(1);
      expect(builds()).toBe(1);
      const pieces = daemon.shell.scripts.filter((script) => script.includes("dd of="));
      expect(pieces.length).toBeGreaterThan(1);
      expect(new Set(pieces).size, "no piece was sent twice").toBe(pieces.length);
      for (const staged of all.slice(0, 1)) await expectWhole(staged, request);
      expect(await leftovers()).toBe("");
    });

    test("through two nodes of a cluster make one of everything [staging.environment-once]", async () => {
      const request = await newRequest();
      const first = startStager(lab, "plain").stager.stage(request);
      await untilBuilding();
      const second = startStager(lab, "other", "lab-2").stager.stage(request);
      await sleep(2_000);
      expect(builds(), "the second node does not see the process, and waits").toBe(1);
      goOn();
      expect(await second).toEqual(await first);
      expect(builds()).toBe(1);
      await expectWhole(await second, request);
    });

    test("do not end each other's waiting [staging.environment-once]", async () => {
      const controller = new AbortController();
      const request = await newRequest(controller.signal);
      const { signal: _, ...other } = request;
      const { stager } = startStager(lab, "plain");
      const ended = stager.stage(request).catch((error: unknown) => error);
      await untilBuilding();
      const goesOn = stager.stage(other);
      controller.abort();
      expect(await ended).toMatchObject({ name: "AbortError" });
      goOn();
      await expectWhole(await goesOn, request);
      expect(builds()).toBe(1);
    });
  });
});
