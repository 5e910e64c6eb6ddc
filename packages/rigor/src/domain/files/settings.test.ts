import { expect, test } from "vitest";
import { agentSettingsSchema } from "../issues/agent-settings.ts";
import { parseSettings } from "./settings.ts";

const local = { kind: "local", gpus: "auto", cpus: "auto", memory: "auto" };

const agents = agentSettingsSchema.parse({});

test("an empty rigor.yaml has this machine and the default limit", () => {
  const defaults = { agents, compute: { local }, limits: { max_runs: 10_000 } };
  expect(parseSettings("", { file: "rigor.yaml" })).toEqual(defaults);
  expect(parseSettings("# nothing\n", { file: "rigor.yaml" })).toEqual(defaults);
});

test("machines and limits are read with their units", () => {
  const text =
    "compute:\n  lab: { kind: local, gpus: [0, 2], cpus: 8, memory: 4GiB }\n  local: { kind: local, gpus: 0 }\nlimits: { max_runs: 5 }\n";
  expect(parseSettings(text, { file: "rigor.yaml" })).toEqual({
    agents,
    compute: { local: { ...local, gpus: 0 }, lab: { kind: "local", gpus: [0, 2], cpus: 8, memory: 4 * 2 ** 30 } },
    limits: { max_runs: 5 },
  });
});

test.each([
  [
    "compute: { lab: { kind: sssh, host: x } }",
    "rigor.yaml:1:25: compute.lab.kind: found text `sssh`, expected one of `local`, `ssh`, `slurm`, `pbs`, `command`; did you mean `ssh`?",
  ],
  [
    "compute: { lab: { gpus: 1 } }",
    "rigor.yaml:1:12: compute.lab: the key `kind` is missing; expected one of `local`, `ssh`, `slurm`",
  ],
  ["compute: { lab: { kind: ssh } }", "compute.lab: the key `host` is missing"],
  ["compute: { lab: { kind: slurm, acount: x } }", "the key `acount` is unknown; did you mean `account`?"],
  ["compute: { lab: { kind: local, gpus: [0, 0] } }", "a GPU is listed twice"],
  ["compute: { lab: { kind: local, cpus: 0 } }", "expected `auto`, or a number of cores of at least 1"],
  ["compute: { lab: { kind: local, memory: big } }", "expected a size such as `1GB`"],
  ["limits: { max_run: 3 }", "rigor.yaml:1:11: limits: the key `max_run` is unknown; did you mean `max_runs`?"],
  ["limits: { max_runs: 0 }", "expected a number of at least 1"],
  ["- a", "expected a mapping"],
])("%s is refused [file.position]", (text, expected) => {
  expect(() => parseSettings(text, { file: "rigor.yaml" })).toThrow(
    expect.objectContaining({ code: "file-invalid", message: expect.stringContaining(expected) }),
  );
});
