/** Environments whose packages come from a server that cannot be reached. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { experiment, until, UserLab } from "./lab.ts";

let lab: UserLab;
beforeAll(() => {
  lab = new UserLab().init();
});
afterAll(() => lab.close());

/** A package as registries hand it out. */
function packed(): Buffer {
  const directory = mkdtempSync(join(lab.directory, "package-"));
  writeFileSync(join(directory, "package.json"), JSON.stringify({ name: "word", version: "1.0.0" }));
  writeFileSync(join(directory, "index.js"), "module.exports = 3;\n");
  execFileSync("npm", ["pack"], { cwd: directory, stdio: "ignore" });
  return readFileSync(join(directory, "word-1.0.0.tgz"));
}

async function listen(server: Server, port = 0): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** A port on which nobody listens. */
async function silentPort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, "close");
  return port;
}

/** An experiment that needs a package of a server. */
function files(name: string, port: number): Record<string, string> {
  const resolved = `http://127.0.0.1:${port}/word-1.0.0.tgz`;
  const dependencies = { word: "1.0.0" };
  const packages = { "": { dependencies }, "node_modules/word": { version: "1.0.0", resolved } };
  const run = `node -e 'require("fs").writeFileSync(process.env.RIGOR_OUTPUT + "/result.json", JSON.stringify({ metrics: { loss: require("word") } }))'`;
  const lock = `${name}/package-lock.json`;
  const environment = { manager: "npm", lock, variables: { npm_config_fetch_retries: "0" } };
  return {
    [`${name}/package.json`]: JSON.stringify({ dependencies }),
    [lock]: JSON.stringify({ lockfileVersion: 3, requires: true, packages }),
    [`${name}.yaml`]: experiment({ name, environment, seeds: [1], run: `cd ${name} && ${run}` }),
  };
}

test(
  "are built when it can be reached again; where that lasts a person is told, and it is no fault of the code [environment.network]",
  { timeout: 600_000 },
  async () => {
    const [late, never] = [await silentPort(), await silentPort()];
    lab.commit({ ...files("late", late), ...files("never", never) });
    const watched = lab.start(["run", "late.yaml"]);
    await lab.rigor("run", "never.yaml", "--detach");
    await until("a new try", () => /a new try in \d+ s: .*check the network/.test(watched.said.text), 120_000);
    const tarball = packed();
    const registry = createServer((_, response) => response.end(tarball));
    await listen(registry, late);
    const answer = await watched.answer;
    registry.close();
    expect(answer.text).toContain("2 done");
    expect(answer.status).toBe(0);
    const shown = () => lab.json<{ experiment: { state: string; hold: unknown } }>("show", "never");
    await until("a hold", async () => (await shown()).experiment.state === "held", 300_000);
    expect((await shown()).experiment.hold).toMatchObject({
      code: "compute",
      reason: expect.stringMatching(/npm (?:ERR!|error) code ECONNREFUSED[^]*check the network/) as string,
    });
  },
);
