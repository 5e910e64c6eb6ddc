import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { presentResults } from "../../api/present/results.ts";
import type { ResultsView } from "../../api/contract/views/results.ts";
import { commitAll, runGit, scratchRepository } from "../../provenance/scratch-repository.testing.ts";
import { advanceExperiment } from "./advance.ts";
import { rule, small, TestBench } from "../bench.testing.ts";
import { placedRuns } from "../records/placed-runs.ts";
import { resolveExperiment } from "./resolve.ts";
import { startExperiment } from "./start.ts";
import { plannedUses, unlistedNote } from "./unlisted-changes.ts";

const apart = (run: { arm: string; seed: number }): number => (run.arm === "a" ? 5 : 1) + run.seed * 1.013;

async function results(bench: TestBench, id: string): Promise<ResultsView> {
  return presentResults(bench.lab, await bench.experiment(id), await placedRuns(bench.db, id));
}

async function decide(bench: TestBench, id: string): Promise<void> {
  await bench.finishAll(id, apart);
  await advanceExperiment(bench.lab, id);
  expect(await bench.experiment(id)).toMatchObject({ state: "decided" });
}

/** An experiment with results, and then another one of its name with a seed more and a library that has changed. */
async function mixed(definition: Record<string, unknown> = {}) {
  const bench = await TestBench.open();
  bench.write({ "lib/noise.py": "1\n" });
  const first = await bench.start({ decision: rule, ...definition });
  await decide(bench, first.experiment_id);
  bench.write({ "lib/noise.py": "2\n" });
  const larger = { decision: rule, ...definition, seeds: [1, 2, 3, 4] };
  const planned = await plannedUses(bench.db, await bench.resolve(larger), undefined);
  const second = await bench.start(larger);
  await decide(bench, second.experiment_id);
  const commits = [first, second].map(async ({ experiment_id: id }) => (await bench.experiment(id)).source.commit);
  const [old, present] = await Promise.all(commits);
  return { bench, planned, id: second.experiment_id, old: old ?? "", present: present ?? "" };
}

test("results of different code in one cell are told before the run, in the decision and in the results [identity.unlisted] [F06] [F59]", async () => {
  const { bench, planned, id, old, present } = await mixed();
  const remedy =
    "If the runs use any of this, add it to `code` in experiment.yaml and run the file again: all runs are then made from the same code.";
  const note = `6 of 8 runs rest on commit ${old.slice(0, 10)}, which differs from the present files outside \`code\`: lib/noise.py. ${remedy}`;
  expect(planned).toEqual([{ commit: old, runs: 6, unlisted: ["lib/noise.py"] }]);
  expect(unlistedNote({ file: "experiment.yaml" }, planned, 8, "the present files")).toBe(note);
  const { decision } = await bench.experiment(id);
  expect(decision).toMatchObject({
    notes: [
      expect.stringContaining("Not pre-registered"),
      `6 of 8 runs rest on commit ${old.slice(0, 10)}, which differs from commit ${present.slice(0, 10)} of small@2 outside \`code\`: lib/noise.py. ${remedy}`,
    ],
  });
  expect(await results(bench, id)).toMatchObject({
    notes: [note],
    stale: false,
    commits: [
      { commit: old, runs: 6 },
      { commit: present, runs: 2 },
    ],
    unlisted_changes: [{ commit: old, runs: 6, paths: ["lib/noise.py"] }],
  });
});

test("without a rule the results tell it [identity.unlisted]", async () => {
  const { bench, id, old, present } = await mixed({ decision: null });
  expect((await results(bench, id)).notes).toEqual([
    expect.stringContaining(`rest on commit ${old.slice(0, 10)}, which differs from commit ${present.slice(0, 10)}`),
    expect.stringContaining(`rest on commit ${old.slice(0, 10)}, which differs from the present files`),
  ]);
});

test("listing the path makes all runs anew, and nothing has to be told any more [identity.unlisted]", async () => {
  const { bench } = await mixed();
  const { experiment_id: id } = await bench.start({ code: ["run.sh", "lib"], decision: rule, seeds: [1, 2, 3, 4] });
  expect((await bench.runs(id)).every((run) => run.state === "pending")).toBe(true);
  await decide(bench, id);
  const shown = await results(bench, id);
  expect(shown).toMatchObject({ notes: [], unlisted_changes: [], stale: false });
  expect(shown.commits).toHaveLength(1);
  expect(shown.decision?.notes.join()).not.toContain("rest on commit");
});

test("an experiment that is found again goes on with its own commit, and the plan says so [identity.unlisted]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start();
  bench.write({ "lib/noise.py": "1\n" });
  const experiment = await bench.experiment(id);
  expect(await plannedUses(bench.db, await bench.resolve({}), experiment)).toEqual([
    { commit: experiment.source.commit, runs: 6, unlisted: ["lib/noise.py"] },
  ]);
});

test("what says nothing about runs is not told: experiment files, readmes, settings, what identifies runs anyway", async () => {
  const bench = await TestBench.open();
  const data = { inputs: { corpus: { path: "data/" } } };
  bench.write({ "data/corpus.txt": "a\n", "other.yaml": "{}" });
  const { experiment_id: id } = await bench.start(data);
  await decide(bench, id);
  bench.write({
    "README.md": "new",
    "docs/README": "new",
    ".gitignore": "*.tmp\n",
    ".github/workflows/test.yml": "new",
    "rigor.yaml": "limits: { max_runs: 100 }\n",
    "experiment.yaml": "{}",
    "data/corpus.txt": "b\n",
  });
  expect(await results(bench, id)).toMatchObject({ notes: [], unlisted_changes: [] });
  bench.write({ "prompts/system.md": "new" });
  expect((await results(bench, id)).unlisted_changes).toMatchObject([{ runs: 6, paths: ["prompts/system.md"] }]);
});

test("where `code` is the whole repository, a change makes results stale, and the results say so [identity.stale]", async () => {
  const bench = await TestBench.open();
  const { experiment_id: id } = await bench.start({ code: ["."] });
  await decide(bench, id);
  expect(await results(bench, id)).toMatchObject({ stale: false, notes: [] });
  bench.write({ "notes.txt": "new" });
  const shown = await results(bench, id);
  expect(shown).toMatchObject({ stale: true, unlisted_changes: [] });
  expect(shown.notes.join()).toContain("`rigor rerun small --stale` makes them anew");
});

test("results of a commit that is not checked out say which, and are not to be made anew [identity.stale]", async () => {
  const bench = await TestBench.open();
  const definition = { code: ["."] };
  await bench.resolve(definition);
  const commit = commitAll(bench.repository);
  const { experiment_id: id } = await bench.start(definition);
  await decide(bench, id);
  expect((await bench.experiment(id)).source).toMatchObject({ commit, dirty: false });
  runGit(bench.repository, "checkout", "--quiet", "-b", "elsewhere", "HEAD~1");
  const { notes, stale } = await results(bench, id);
  expect(stale).toBe(true);
  const made = `These results were made by the code of commit ${commit.slice(0, 10)}`;
  expect(notes).toEqual([
    expect.stringMatching(`^${made} on the branch \\S+, which the files that are checked out do not`),
  ]);
  const [, branch = ""] = /`git merge (\S+)` brings it here/.exec(notes[0] ?? "") ?? [];
  expect(runGit(bench.repository, "rev-parse", branch).trim()).toBe(commit);
  runGit(bench.repository, "branch", "--delete", "--force", branch);
  const later = (await results(bench, id)).notes;
  expect(later).toEqual([expect.stringMatching(`^${made}, which .* \`git show ${commit.slice(0, 10)}\` shows it[.]$`)]);
});

test("results stay readable when the repository is gone, and say what is not known [identity.unlisted]", async () => {
  const { bench, id } = await mixed({ decision: null });
  rmSync(join(bench.repository, ".git"), { recursive: true });
  const { tables, stale, notes } = await results(bench, id);
  expect(tables[0]?.rows).toHaveLength(2);
  expect(stale).toBeNull();
  expect(notes.join("\n")).toMatch(/is not known.*\nWhether the code has changed since is not known/);
});

test("a run that another clone of the repository made cannot be compared, and that is told [identity.unlisted]", async () => {
  const bench = await TestBench.open();
  await decide(bench, (await bench.start()).experiment_id);
  const clone = scratchRepository({
    "run.sh": "true\n",
    "another.txt": "1",
    "experiment.yaml": JSON.stringify({ ...small, name: "cloned" }),
  });
  const request = { file: join(clone, "experiment.yaml"), search_path: "/bin" };
  const { experiment_id: id } = await startExperiment(
    bench.lab,
    "person:test",
    await resolveExperiment(request, bench.lab),
  );
  await advanceExperiment(bench.lab, id);
  const shown = await results(bench, id);
  expect(shown.notes[0]).toMatch(/^6 of 6 runs rest on commit \w{10}, which the repository does not have: /);
  expect(shown.unlisted_changes).toMatchObject([{ runs: 6, paths: null }]);
});

test("many paths are told by their directories, so that none is hidden", () => {
  const unlisted = [...Array.from({ length: 20 }, (_, index) => `analysis/${index}.py`), "lib/a.py", "setup.cfg"];
  const uses = [{ commit: "0123456789abcdef", runs: 1, unlisted }];
  expect(unlistedNote({ file: "e.yaml" }, uses, 1, "the present files")).toContain(
    "1 of 1 run rests on commit 0123456789, which differs from the present files outside `code`: analysis/ (20 files), lib/ (1 file), setup.cfg. If",
  );
});
