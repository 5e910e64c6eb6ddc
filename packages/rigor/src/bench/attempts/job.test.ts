import { expect, test, vi } from "vitest";
import { definition } from "../../domain/events/events.testing.ts";
import type { ExperimentRecord, RunRecord } from "../../domain/records.ts";
import { jobOf, type JobFacts } from "./job.ts";

function facts(
  changes: { gpus?: number; held?: string[]; number?: number; pass?: string[]; run?: string | string[] } = {},
): JobFacts {
  const { gpus = 0, held = [], number = 1, pass = [], run = ["train", "{seed}", "{parameters.text}"] } = changes;
  const resources = { cpus: 1, gpus, gpu_memory: null, memory: null, time: 60 };
  const environment = { ...definition.environment, pass };
  const id = "f".repeat(64);
  const environmentOf = { variables: { MODE: "fast" }, path_prefix: ["/env/bin"] };
  return {
    experiment: {
      search_path: "/usr/bin:/bin",
      definition: { ...definition, name: "größe", resources, environment, run },
    } as ExperimentRecord,
    run: {
      id,
      arm: "a b",
      task: "t",
      seed: 7,
      needs: {},
      parameters: { text: 'it\'s "$HOME"\nü' },
    } as unknown as RunRecord,
    attempt: { id: `${id.slice(0, 16)}-${number}`, number, lease: { cpus: 1, memory: 0, gpus: held } },
    prepared: {
      directory: "/checkout",
      inputs: { "my-corpus.v2": "/inputs/x y" },
      environment: environmentOf,
    } as unknown as JobFacts["prepared"],
    given: {},
    attemptsRoot: "/lab/attempts",
    resume: null,
    lane: { isHere: true, isPlaced: true },
  };
}

test("a run sees the cards that it holds, and none when it asked for none [F17]", () => {
  expect(jobOf(facts()).environment).toMatchObject({ CUDA_VISIBLE_DEVICES: "" });
  const two = jobOf(facts({ gpus: 2, held: ["GPU-a", "GPU-b"] })).environment;
  expect(two).toMatchObject({ CUDA_VISIBLE_DEVICES: "GPU-a,GPU-b", CUDA_DEVICE_ORDER: "PCI_BUS_ID" });
});

test("a scheduler gives out the cards itself [F17]", () => {
  const lane = { isHere: false, isPlaced: false };
  expect(jobOf({ ...facts({ gpus: 2 }), lane }).environment).not.toHaveProperty("CUDA_VISIBLE_DEVICES");
  expect(jobOf({ ...facts(), lane }).environment).toMatchObject({ CUDA_VISIBLE_DEVICES: "" });
});

test("a run finds what it is in its environment, and commands by the search path of its experiment", () => {
  const job = jobOf(facts());
  expect(job.environment).toMatchObject({
    RIGOR_EXPERIMENT: "größe",
    RIGOR_ARM: "a b",
    RIGOR_TASK: "t",
    RIGOR_SEED: "7",
    RIGOR_INPUT_MY_CORPUS_V2: "/inputs/x y",
    MODE: "fast",
    PATH: "/env/bin:/usr/bin:/bin",
  });
  expect(job).toMatchObject({
    working_directory: "/checkout",
    time_limit: 60,
    parameters: { text: 'it\'s "$HOME"\nü' },
  });
});

test("values reach the command as one argument each, whatever they contain [file.arguments-exact]", () => {
  expect(jobOf(facts()).command).toEqual(["train", "7", 'it\'s "$HOME"\nü']);
});

test("a retry has the command, parameters and environment of the first attempt [F20]", () => {
  const first = jobOf(facts());
  const second = jobOf(facts({ number: 2 }));
  const what = ({ command, parameters, environment, working_directory, time_limit }: typeof first) => {
    const { RIGOR_ATTEMPT: _, ...same } = environment;
    return { command, parameters, environment: same, working_directory, time_limit };
  };
  expect(what(second)).toEqual(what(first));
});

test("a retry is told of the checkpoints that it goes on from [job.resume]", () => {
  const id = "f".repeat(16);
  const third = facts({ number: 3 });
  expect(jobOf(third).environment).not.toHaveProperty("RIGOR_RESUME");
  const path = "/lab/attempts/ff/1/output/checkpoints";
  const resumed = jobOf({ ...third, resume: { attempt: `${id}-1`, compute: "lab1", path, is_copy: false } });
  expect(resumed.environment["RIGOR_RESUME"]).toBe(path);
  const anew = jobOf({ ...third, resume: { attempt: null, reason: "There is no room for them." } });
  expect(anew.environment).not.toHaveProperty("RIGOR_RESUME");
});

test("on another machine the search path is that machine's, after the environment's own", () => {
  const job = jobOf({ ...facts(), lane: { isHere: false, isPlaced: true } });
  expect(job.environment).not.toHaveProperty("PATH");
  expect(job.path_prefix).toEqual(["/env/bin"]);
});

test("variables that are handed through come from the daemon; others of its environment do not", () => {
  vi.stubEnv("BENCH_TEST_SECRET", "s3cret");
  try {
    const job = jobOf(facts({ pass: ["BENCH_TEST_SECRET", "BENCH_TEST_ABSENT"] }));
    expect(job.secrets).toEqual({ BENCH_TEST_SECRET: "s3cret" });
    expect(JSON.stringify(job.environment)).not.toContain("s3cret");
    expect(JSON.stringify(job.command)).not.toContain("s3cret");
    expect(jobOf(facts()).secrets).toEqual({});
  } finally {
    vi.unstubAllEnvs();
  }
});
