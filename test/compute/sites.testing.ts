/** Clusters as a user of `rigor.yaml` knows them: behind a login node, PBS by its kind and Grid Engine by its commands. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { gridEngineMissing, startGridEngine } from "../clusters/gridengine.ts";
import { startPbs } from "../clusters/pbs.ts";
import { sshMissing, startSshHosts } from "../clusters/ssh.ts";
import { documented } from "./command.testing.ts";
import { pbsBehindLogin } from "./pbs-login.testing.ts";

/** A cluster behind a login node, and what stands in `rigor.yaml` about it. */
export interface Site {
  compute: Record<string, unknown>;
  /** A directory that this machine and all jobs see at the same path. */
  place: string;
  /** How often each batch was handed to the scheduler: the name of its job and the count. */
  submissions: () => Map<string, number>;
  stop: () => Promise<void>;
}

/** A `qsub` that notes the name of each job before it hands it on. */
function counted(place: string, qsub: string): { folder: string; submissions: Site["submissions"] } {
  const [folder, notes] = [join(place, "counted"), join(place, "submissions")];
  mkdirSync(folder, { recursive: true });
  writeFileSync(notes, "");
  const script = `#!/bin/sh\nprintf '%s\\n' "$*" >>${notes}\nexec ${qsub} "$@"\n`;
  writeFileSync(join(folder, "qsub"), script, { mode: 0o755 });
  const submissions = () => {
    const counts = new Map<string, number>();
    for (const line of readFileSync(notes, "utf8").split("\n")) {
      const name = / -N (\S+)/.exec(` ${line}`)?.[1];
      if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  };
  return { folder, submissions };
}

async function pbsSite(): Promise<Site> {
  const cluster = await startPbs();
  const place = cluster.home;
  const { folder, submissions } = counted(place, join(cluster.bin, "qsub"));
  const { via, stop } = await pbsBehindLogin(cluster, folder);
  const compute = { kind: "pbs", via, workdir: `${place}/it's work`, calls_per_minute: 600 };
  return { compute, place, submissions, stop };
}

async function gridEngineSite(): Promise<Site> {
  const cluster = await startGridEngine();
  const place = cluster.scratch;
  const { folder, submissions } = counted(place, "qsub");
  const hosts = await startSshHosts({ [hostname()]: cluster.loginHost });
  const stop = async () => {
    await hosts.stop();
    await cluster.stop();
  };
  const via = { ssh: hostname(), ssh_config: hosts.config };
  const settings = documented("gridengine", { "/opt/sge/default/common/settings.sh": cluster.settings });
  const submit = settings.submit.replace(/\bqsub\b/, join(folder, "qsub"));
  const compute = { ...settings, submit, via, workdir: `${place}/it's work`, calls_per_minute: 600 };
  return { compute, place, submissions, stop };
}

/** Those that run on this machine. */
export const sites = [
  { name: "PBS", start: pbsSite, job: /^\d+\[\d\]\./, missing: sshMissing() },
  { name: "Grid Engine", start: gridEngineSite, job: /^\d+$/, missing: sshMissing() ?? gridEngineMissing() },
].filter(({ missing }) => missing === null);
