/** Several machines that share one lab: each has a data directory, a repository and a daemon of its own. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPostgresStore } from "../../packages/rigor/src/store/open.ts";
import type { Store } from "../../packages/rigor/src/store/store.ts";
import { eventually, experimentFile, TestLab } from "../chaos/lab.ts";
import { Journal } from "../chaos/victims.ts";
import { type SshLab, startSshHosts } from "../clusters/ssh.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

/** Seconds after which a silent daemon's work is taken over in these tests: longer than a busy machine lets one wait. */
export const patience = 15;

/** CPUs of each host that runs may use. */
const cpus = 2;

/**
 * Writes to the journal, which all hosts and machines share, that it begins and that it ends. A lock that is held as long
 * as any of its processes lives shows two attempts of one run at one time. It waits for the file `go` where it is asked to.
 */
const script = `
place=$1
attempt=\${RIGOR_OUTPUT%/output} attempt=\${attempt##*/}
say() { printf '%s\\n' "$*" >>"$place/journal"; }
exec 9>"$place/lock-$RIGOR_RUN_ID"
flock -n 9 || say overlap "$attempt"
read -r host </proc/sys/kernel/hostname
say start "$attempt" "$host"
case $2 in
  wait) until [ -e "$place/go" ]; do sleep 0.1; done ;;
  *) sleep "$2" ;;
esac
echo "$attempt" >"$RIGOR_OUTPUT/where.txt"
printf '{"metrics":{"loss":1.%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"
say end "$attempt" "$host"
`;

export class SharedLab {
  readonly place: string;
  readonly database: TestDatabase;
  readonly hosts: SshLab;
  readonly machines: TestLab[] = [];
  /** For what is asked of the database beside the daemons. */
  readonly store: Store;

  static async open(hostNames: readonly string[]): Promise<SharedLab> {
    const place = mkdtempSync(join(tmpdir(), "rigor-shared-"));
    const database = await createTestDatabase();
    const hosts = await startSshHosts(Object.fromEntries(hostNames.map((name) => [name, { shared: [place] }])));
    return new SharedLab(place, database, hosts, await openPostgresStore(database.url));
  }

  private constructor(place: string, database: TestDatabase, hosts: SshLab, store: Store) {
    this.place = place;
    this.database = database;
    this.hosts = hosts;
    this.store = store;
  }

  /** @param url of the database, as the machine reaches it */
  machine(name: string, hosts: readonly string[], url = this.database.url): TestLab {
    const lab = new TestLab({
      environment: {
        RIGOR_DATABASE_URL: url,
        RIGOR_TAKEOVER: `${patience}`,
        PATH: `${this.#programsOf(name)}:${process.env["PATH"]}`,
      },
    });
    this.machines.push(lab);
    const compute = (host: string) => ({ kind: "ssh", host, ssh_config: this.hosts.config, cpus });
    lab.commit({
      "run.sh": script,
      "rigor.yaml": JSON.stringify({
        compute: {
          local: { kind: "local", cpus: 1 },
          ...Object.fromEntries(hosts.map((host) => [host, compute(host)])),
        },
      }),
      "experiment.yaml": this.experiment(name, hosts),
    });
    return lab;
  }

  /** An `ssh` that writes down which machine looks at attempts on which host. */
  #programsOf(name: string): string {
    const folder = join(this.place, `programs-${name}`);
    mkdirSync(folder);
    const script = `#!/bin/sh
case "$*" in *sizes*) echo "${name}" >>${this.place}/looks ;; esac
exec /usr/bin/ssh "$@"
`;
    writeFileSync(join(folder, "ssh"), script, { mode: 0o755 });
    return folder;
  }

  /** The machines that looked at attempts on hosts, in order of time; one that looks again and again is named once. */
  get lookers(): string[] {
    const names = readFileSync(join(this.place, "looks"), "utf8").trimEnd().split("\n");
    return names.filter((name, index) => name !== names[index - 1]);
  }

  experiment(name: string, compute: readonly string[], changes: Record<string, unknown> = {}, how = "0.5"): string {
    return experimentFile({
      name,
      // Runs are shared by what they are: those of each machine are others.
      tasks: { [name]: {} },
      compute,
      code: ["run.sh"],
      outputs: { artifacts: ["where.txt"] },
      run: ["sh", "run.sh", this.place, how],
      retry: { infrastructure: 10, code: 1 },
      ...changes,
    });
  }

  go(): void {
    writeFileSync(join(this.place, "go"), "");
  }

  get journal(): Journal {
    const file = join(this.place, "journal");
    if (!existsSync(file)) writeFileSync(file, "");
    return new Journal(file);
  }

  async events(kind: string): Promise<string[]> {
    const rows = await this.store.db.selectFrom("events").select("entity").where("kind", "=", kind).execute();
    return rows.map(({ entity }) => entity);
  }

  /** The host and process that drives a resource, if one does. */
  async driverOf(resource: string): Promise<number | null> {
    const row = await this.store.db
      .selectFrom("drivers")
      .innerJoin("daemons", "daemons.id", "drivers.daemon")
      .select("pid")
      .where("resource", "=", resource)
      .where("ended_at", "is", null)
      .executeTakeFirst();
    return row?.pid ?? null;
  }

  async runsIn(state: string): Promise<number> {
    const rows = await this.store.db
      .selectFrom("runs")
      .select("id")
      .where("state", "=", state as "done")
      .execute();
    return rows.length;
  }

  async close(): Promise<void> {
    for (const machine of this.machines) await machine.removeUnlessKept();
    await this.hosts.stop();
    await this.store.close();
    await this.database.drop();
    rmSync(this.place, { recursive: true, force: true, maxRetries: 10 });
  }
}

export const pidOf = (lab: TestLab): number => lab.daemonFile()?.pid ?? 0;

export async function untilStarted(shared: SharedLab, count: number): Promise<void> {
  await eventually(`${count} runs that have started`, () => shared.journal.attempts("start").length >= count);
}
