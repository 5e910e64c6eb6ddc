/** Cards that others use too, on this machine, by the command line. NVIDIA's tool is a stand-in that reads a file. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { experiment, UserLab } from "./lab.ts";

const lab = new UserLab();
const cardFile = join(lab.directory, "cards");
/** One line for each look at how busy the cards are. */
const looks = join(lab.directory, "looks");

/** Says of each card what is asked for: for placement its name and size too, for a run's record how busy it is. */
const nvidiaSmi = `#!/bin/sh
n=0
while read -r used; do
  case $* in
    *memory.total*) echo "$n, GPU-$n, NVIDIA Test, 80000, $used" ;;
    *) echo "$n, GPU-$n, $used, 90" ;;
  esac
  n=$((n + 1))
done <'${cardFile}'
case $* in *memory.total*) ;; *) echo look >>'${looks}' ;; esac
`;

/** Memory in use of each card, in mebibytes, by whomever: a process, or one that died and did not give it back. */
const use = (...cards: number[]) => writeFileSync(cardFile, cards.map((used) => `${used}\n`).join(""));

interface Shown {
  attempt_list: { lease: { gpus: string[] }; gpu_memory_peak: number | null }[];
}

async function cardsOf(name: string): Promise<string[]> {
  const runs = await lab.runs(name);
  const shown = await Promise.all(runs.map((run) => lab.json<Shown>("show", run.id)));
  return shown.flatMap(({ attempt_list }) => attempt_list.flatMap(({ lease }) => lease.gpus));
}

/** Waits until the cards were looked at twice: once while it ran, for certain. */
const watched = `count() { grep -c look '${looks}'; }; n=$(count); until [ "$(count)" -gt $((n + 3)) ]; do sleep 0.2; done`;
const run = `printf '{"metrics":{"loss":%s}}' "$RIGOR_SEED" >"$RIGOR_OUTPUT/result.json"`;
const onCard = (name: string, changes: Record<string, unknown> = {}) =>
  experiment({
    name,
    seeds: [1, 2],
    code: ["rigor.yaml"],
    run: `: ${name}; ${run}`,
    resources: { gpus: 1 },
    ...changes,
  });

beforeAll(() => {
  lab.write({ "../bin/nvidia-smi": nvidiaSmi });
  chmodSync(join(lab.directory, "bin/nvidia-smi"), 0o755);
  writeFileSync(looks, "");
  lab.environment["PATH"] = `${join(lab.directory, "bin")}:${lab.environment["PATH"]}`;
  lab.init().commit({
    "rigor.yaml": JSON.stringify({ compute: { local: { kind: "local", cpus: 4 } } }),
    "taken.yaml": onCard("taken"),
    "waits.yaml": onCard("waits", { resources: { gpus: 1, gpu_memory: "40GB" } }),
    "learns.yaml": onCard("learns", {
      seeds: [1],
      run: `${watched}; ${run}`,
      resources: { gpus: 1, gpu_memory: "1GB" },
    }),
    "learns-more.yaml": onCard("learns", {
      seeds: [1, 2],
      run: `${watched}; ${run}`,
      resources: { gpus: 1, gpu_memory: "1GB" },
    }),
  });
});
afterAll(() => lab.close());

test("a card that somebody else's process holds is not used, by whatever it is held [F17]", async () => {
  use(79_900, 100);
  const answer = await lab.rigor("run", "taken.yaml");
  expect(answer.text).toContain("4 done");
  expect(new Set(await cardsOf("taken"))).toEqual(new Set(["GPU-1"]));
});

test("runs wait while all cards are taken, say so, and start when memory is given back [F17]", async () => {
  use(79_900, 50_000);
  const { said, answer } = lab.start(["run", "waits.yaml"]);
  await expect.poll(() => said.text).toContain("no card has enough free memory");
  expect((await lab.runs("waits")).filter(({ attempts }) => attempts > 0)).toEqual([]);
  use(79_900, 30_000);
  expect((await answer).text).toContain("4 done");
  expect(new Set(await cardsOf("waits"))).toEqual(new Set(["GPU-1"]));
});

test("what a run used of its card is recorded, proposed, and asked for where the next one starts [memory.learnt]", async () => {
  use(79_900, 30_000);
  expect((await lab.rigor("run", "learns.yaml")).text).toContain("2 done");
  const runs = await lab.runs("learns");
  const peak = 30_000 * 2 ** 20;
  for (const { id } of runs) {
    expect((await lab.json<Shown>("show", id)).attempt_list).toMatchObject([{ gpu_memory_peak: peak }]);
  }
  expect((await lab.rigor("show", runs[0]?.id ?? "")).stdout).toContain("31 GB of a card");
  expect((await lab.rigor("plan", "learns-more.yaml")).stdout).toMatch(
    /gpu memory +only 1 GB are asked for; earlier runs used up to 31 GB: `gpu_memory: 31.5GB`/,
  );
  // 1 GB would be free, but not as much as runs of this cell are known to use.
  use(79_900, 50_000);
  const { said, answer } = lab.start(["run", "learns-more.yaml"]);
  await expect.poll(() => said.text).toContain("no card has enough free memory");
  use(100, 50_000);
  expect((await answer).text).toContain("4 done");
  const used = await cardsOf("learns");
  expect(used.filter((card) => card === "GPU-0")).toHaveLength(2);
});
