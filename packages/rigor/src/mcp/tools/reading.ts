import { call } from "@orpc/server";
import { z } from "zod";
import { router } from "../../api/router.ts";
import { findRun } from "../../bench/records/lookup.ts";
import { attemptsOfRun } from "../../bench/records/attempt-queries.ts";
import { AttemptDirectory } from "../../compute/attempt/attempt-directory.ts";
import { readLastText } from "../../hosts/tail.ts";
import { RigorError } from "../../domain/errors.ts";
import { tool, type LabTool, type ToolContext } from "../tool.ts";

const experiment = z.string().min(1).describe("NAME (its newest version), NAME@VERSION, or the beginning of an id");
const run = z.string().min(4).describe("The beginning of a run's id");

/** What one answer of a tool may hold, in characters: more would only push the question out of the agent's mind. */
const mostCharacters = 40_000;

const json = (value: unknown): string => shortened(JSON.stringify(value, null, 1));

function shortened(text: string): string {
  if (text.length <= mostCharacters) return text;
  return `${text.slice(0, mostCharacters)}\n... ${text.length - mostCharacters} more characters. Ask for less.`;
}

export const readingTools: readonly LabTool[] = [
  tool({
    name: "get_brief",
    description: "Your brief as it is now: the issue, what was handed in, the concerns, and what you are to hand in.",
    input: z.strictObject({}),
    reads: true,
    async handle({ api, session }) {
      const { brief } = await call(router.sessions.get, { id: session.id }, { context: api });
      return brief ?? "This session has ended.";
    },
  }),

  tool({
    name: "search_lab",
    description:
      "Search earlier issues, plans, results and experiments of this repository by words. Each hit says where it is from.",
    input: z.strictObject({ words: z.string().trim().min(2).max(200), limit: z.int().min(1).max(50).default(20) }),
    reads: true,
    handle: ({ api, issue, investigation }, input) =>
      search(api, (issue ?? investigation)?.project ?? null, input.words, input.limit),
  }),

  tool({
    name: "get_experiment",
    description: "One experiment: its definition, how far it is, and why it is held, if it is.",
    input: z.strictObject({ experiment }),
    reads: true,
    async handle({ api }, input) {
      const reference = { reference: input.experiment };
      return json(await call(router.experiments.get, reference, { context: api }));
    },
  }),

  tool({
    name: "get_result",
    description: "What an experiment measured: tables with intervals, comparisons with p values, the decision, checks.",
    input: z.strictObject({ experiment }),
    reads: true,
    async handle({ api }, input) {
      return json(await call(router.experiments.results, { reference: input.experiment }, { context: api }));
    },
  }),

  tool({
    name: "get_run",
    description: "One run: its parameters, attempts, metrics, artifacts, and why it failed, if it did.",
    input: z.strictObject({ run }),
    reads: true,
    handle: async ({ api }, input) => json(await call(router.runs.get, { reference: input.run }, { context: api })),
  }),

  tool({
    name: "list_runs",
    description: "The runs of an experiment with their states, cells and seeds.",
    input: z.strictObject({ experiment, limit: z.int().min(1).max(500).default(100) }),
    reads: true,
    async handle({ api }, input) {
      return json(await call(router.runs.list, { experiment: input.experiment, limit: input.limit }, { context: api }));
    },
  }),

  tool({
    name: "read_log",
    description: "A part of a run's log. Without an offset, its end.",
    input: z.strictObject({
      run,
      stream: z.enum(["stdout", "stderr"]).default("stdout"),
      offset: z.int().nonnegative().optional().describe("bytes"),
    }),
    reads: true,
    handle: readLog,
  }),

  tool({
    name: "query_metrics",
    description: "The points that a run reported of one metric over its steps.",
    input: z.strictObject({ run, name: z.string().min(1), limit: z.int().min(1).max(5_000).default(500) }),
    reads: true,
    async handle({ api }, input) {
      const { points } = await call(
        router.runs.metrics,
        { reference: input.run, name: input.name, limit: input.limit },
        { context: api },
      );
      return points.length === 0 ? `Run ${input.run} reported no points of ${input.name}.` : json(points);
    },
  }),
];

const logBytes = 20_000;

async function readLog(
  { api }: ToolContext,
  { run: reference, stream, offset }: { run: string; stream: "stdout" | "stderr"; offset?: number | undefined },
): Promise<string> {
  if (offset !== undefined) {
    const chunk = await call(router.runs.log, { reference, stream, offset, limit: logBytes }, { context: api });
    return Buffer.from(chunk.base64, "base64").toString("utf8");
  }
  const found = await findRun(api.lab.store.db, reference);
  const last = (await attemptsOfRun(api.lab.store.db, found.id)).at(-1);
  const text = last === undefined ? "" : readLastText(new AttemptDirectory(last.directory)[stream], logBytes);
  return text === "" ? `The log ${stream} of run ${reference} is empty.` : text;
}

async function search(api: ToolContext["api"], project: string | null, words: string, limit: number): Promise<string> {
  if (project === null) throw new RigorError("not-possible", "This session belongs to no repository.");
  const { db } = api.lab.store;
  const like = `%${words.toLowerCase().replaceAll(/[%_\\]/g, "")}%`;
  const issues = await db
    .selectFrom("issues")
    .select(["number", "title", "state", "text"])
    .where("project", "=", project)
    .where(({ eb, or, fn }) => or([eb(fn("lower", ["title"]), "like", like), eb(fn("lower", ["text"]), "like", like)]))
    .orderBy("number", "desc")
    .limit(limit)
    .execute();
  const work = await db
    .selectFrom("submissions")
    .innerJoin("issues", "issues.id", "submissions.issue_id")
    .select(["issues.number as issue", "submissions.kind", "submissions.number", "submissions.content"])
    .where("issues.project", "=", project)
    .where("submissions.kind", "in", ["clarification", "plan", "result", "proposals"])
    .where(({ eb, fn }) => eb(fn("lower", ["submissions.content"]), "like", like))
    .orderBy("submissions.submitted_at", "desc")
    .limit(limit)
    .execute();
  const experiments = await db
    .selectFrom("experiments")
    .select(["name", "version", "state", "definition", "source"])
    .where(({ eb, fn }) => eb(fn("lower", ["definition"]), "like", like))
    .orderBy("created_at", "desc")
    .limit(limit)
    .execute();
  const own = experiments.filter(({ source }) => (JSON.parse(source) as { repository: string }).repository === project);
  const hits = [
    ...issues.map((one) => `issue ${one.number} (${one.state}): ${one.title}`),
    ...work.map((one) => `${one.kind} ${one.number} of issue ${one.issue}: ${around(String(one.content), words)}`),
    ...own.map((one) => `experiment ${one.name}@${one.version} (${one.state}): ${around(one.definition, words)}`),
  ];
  return hits.length === 0 ? `Nothing in the lab mentions ${JSON.stringify(words)}.` : hits.slice(0, limit).join("\n");
}

/** The text around the first mention. */
function around(text: string, words: string): string {
  const at = text.toLowerCase().indexOf(words.toLowerCase());
  return `...${text.slice(Math.max(0, at - 100), at + 200).replaceAll("\\n", " ")}...`;
}
