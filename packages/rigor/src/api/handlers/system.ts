import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { diagnose } from "../present/doctor.ts";
import { RigorError } from "../../domain/errors.ts";
import type { ExperimentState } from "../../domain/lifecycle.ts";
import { emptyTally, type Tally } from "../../domain/rules/experiment-rules.ts";
import { boardCounts } from "../../conductor/queries.ts";
import { decodeRow } from "../../store/tables.ts";
import type { ApiContext } from "../context.ts";
import type { StatusView } from "../contract/views/daemon.ts";
import { api } from "../implementation.ts";
import { closedInUse, presentHosts } from "../present/computes.ts";
import { presentDaemons } from "../present/daemons.ts";
import { summarizeAll } from "../present/experiments.ts";
import { lackingDisk } from "../present/progress.ts";

const shownExperiments = 20;
const underWay: ExperimentState[] = ["running", "deciding", "held"];

export const system = {
  health: api.system.health.handler(({ context }) => ({
    name: "rigor" as const,
    version: context.lab.version,
    pid: process.pid,
    instance: context.daemon.instance,
    data_directory: context.lab.data.root,
    started_at: context.daemon.started_at,
  })),

  status: api.system.status.handler(({ context }) => status(context)),

  doctor: api.system.doctor.handler(async ({ context }) => ({
    checks: await diagnose(context.lab, context.board.parts.workspaces.sandbox),
  })),

  backup: api.system.backup.handler(async ({ context, input }) => {
    const file = resolve(input.file);
    if (await exists(file)) {
      throw new RigorError("not-possible", `${file} exists already.`, {
        next: "Choose another name: a backup overwrites nothing.",
      });
    }
    if (!(await exists(dirname(file)))) {
      throw new RigorError("not-found", `There is no directory ${dirname(file)}.`, {
        next: "Make it first, or choose another place.",
      });
    }
    await context.lab.store.backup(file);
    return { file, bytes: (await stat(file)).size };
  }),

  stop: api.system.stop.handler(({ context }) => {
    context.daemon.stop();
    return { pid: process.pid, running_jobs: context.dispatcher.liveCount };
  }),
};

async function status(context: ApiContext): Promise<StatusView> {
  const { lab, daemon } = context;
  const { db } = lab.store;
  const rows = await db
    .selectFrom("experiments")
    .selectAll()
    .where("state", "!=", "archived")
    .orderBy(({ eb }) => eb.case().when("state", "in", underWay).then(0).else(1).end())
    .orderBy("created_at", "desc")
    .limit(shownExperiments)
    .execute();
  const experiments = rows.map((row) => decodeRow("experiments", row));
  return {
    board: await boardCounts(db),
    version: lab.version,
    data_directory: lab.data.root,
    database: lab.store.dialect === "sqlite" ? lab.data.database : "PostgreSQL at RIGOR_DATABASE_URL",
    address: daemon.address,
    pid: process.pid,
    started_at: daemon.started_at,
    counts: await allRuns(context),
    experiments: await summarizeAll(db, experiments),
    hosts: await presentHosts(context),
    closed: await closedInUse(context),
    waits_for: lackingDisk(lab),
    daemons: await presentDaemons(lab),
  };
}

async function allRuns({ lab }: ApiContext): Promise<Tally> {
  const rows = await lab.store.db
    .selectFrom("runs")
    .select(({ fn }) => ["state", fn.countAll<number | string>().as("count")])
    .groupBy("state")
    .execute();
  const tally = emptyTally();
  for (const row of rows) tally[row.state] = Number(row.count);
  return tally;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
