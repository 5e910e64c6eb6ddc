import { describe, expect, test } from "vitest";
import type { DomainEvent } from "../events/registry.ts";
import { RigorError } from "../errors.ts";
import { holdCodes, type HoldCode } from "../records.ts";
import { emptyTally, mendOption, nextExperimentStep } from "./experiment-rules.ts";
import { experimentId, failedRuns, found, outcome, PaperBench, release } from "./paper-bench.testing.ts";
import * as person from "./person-rules.ts";

describe("what a hold offers", () => {
  /** What each command of an option does, by the rule behind it. */
  const commands: Record<string, (bench: PaperBench) => DomainEvent[]> = {
    "rigor release NAME": (bench) => person.releaseExperiment(bench.experiment, bench.heldRuns, release()),
    "rigor release NAME --without-failed": (bench) =>
      person.releaseExperiment(bench.experiment, bench.heldRuns, release({ without_failed: true })),
    "rigor release NAME --wall 2h": (bench) =>
      person.releaseExperiment(bench.experiment, bench.heldRuns, release({ budget: { wall: 7_200, gpu_hours: null } })),
    "rigor rerun NAME --failed": (bench) => [
      ...person.resumeExperiment(bench.experiment, "r"),
      ...person.rerunRuns(failedRuns(bench), "r"),
    ],
    "rigor cancel NAME": (bench) => person.cancelExperiment(bench.experiment, bench.runs, "no"),
  };
  const looking = new Set(["rigor list NAME --failed --invalid --cancelled", "rigor results NAME", mendOption]);

  /** The options that the engine writes for each code, with `NAME` for the experiment. */
  const offered: Record<HoldCode, string[]> = {
    person: ["rigor release NAME", "rigor cancel NAME"],
    "runs-held": ["rigor release NAME", "rigor cancel NAME"],
    budget: ["rigor release NAME --wall 2h", "rigor cancel NAME"],
    preparation: ["rigor release NAME", "rigor cancel NAME"],
    compute: ["rigor release NAME", "rigor cancel NAME"],
    submission: ["rigor release NAME", "rigor cancel NAME"],
    stuck: ["rigor release NAME", "rigor cancel NAME"],
    "command-missing": ["rigor rerun NAME --failed", "rigor release NAME", "rigor cancel NAME"],
    "code-changed": ["rigor rerun NAME --failed", "rigor release NAME", "rigor cancel NAME"],
    fault: ["rigor release NAME", "rigor cancel NAME"],
    "stage-failed": ["rigor cancel NAME"],
    "runs-failed": ["rigor rerun NAME --failed", "rigor release NAME --without-failed", "rigor cancel NAME"],
    "checks-failed": ["rigor rerun NAME --failed", "rigor release NAME --without-failed", "rigor cancel NAME"],
  };

  /** A bench that is held for a reason; one run failed where the reason is a failure. */
  function heldFor(code: HoldCode): PaperBench {
    const bench = new PaperBench();
    if (code.endsWith("s-failed") || code === "code-changed") {
      bench.start(0);
      bench.conclude(found(bench.started[0]), outcome("failed"));
    }
    bench.append([{ kind: "experiment.held", entity: experimentId, data: { code, reason: "why", options: [] } }]);
    return bench;
  }

  const pairs = holdCodes.flatMap((code) => offered[code].map((option) => [code, option] as const));

  test.each(pairs)("for %s, `%s`, is accepted and leaves the hold [F05]", (code, option) => {
    const bench = heldFor(code);
    bench.append(found(commands[option])(bench));
    expect(bench.experiment.state).not.toBe("held");
    expect(bench.experiment.hold).toBeNull();
  });

  test("by the rules themselves is made of these commands only", () => {
    const tallies = [
      { ...emptyTally(), held: 1 },
      { ...emptyTally(), failed: 2, invalid: 1, cancelled: 1 },
    ];
    for (const tally of tallies) {
      const step = nextExperimentStep(new PaperBench().experiment, { tally, measurements: [] });
      const [event] = step.do === "append" ? step.events : [];
      if (event?.kind !== "experiment.held") throw new Error("nothing is held");
      const options = event.data.options.map((option) => option.replace("paper@1", "NAME"));
      expect(options.filter((option) => !looking.has(option)).toSorted()).toEqual(offered[event.data.code].toSorted());
    }
  });

  test.each(["runs-failed", "checks-failed"] as const)(
    "for %s is asked for by name: a bare release is refused",
    (code) => {
      const bench = heldFor(code);
      const refused = () => person.releaseExperiment(bench.experiment, [], release());
      expect(refused).toThrow(
        expect.objectContaining({ code: "not-possible", next: expect.stringContaining("--without-failed") as string }),
      );
    },
  );

  test("for a budget is more budget: a bare release is refused [budget.held]", () => {
    const bench = heldFor("budget");
    expect(() => person.releaseExperiment(bench.experiment, [], release())).toThrow(RigorError);
    bench.append(person.releaseExperiment(bench.experiment, [], release({ budget: { wall: 9, gpu_hours: 1 } })));
    expect(bench.experiment.budget).toEqual({ wall: 9, gpu_hours: 1 });
  });
});
