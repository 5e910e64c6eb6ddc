import { describe } from "vitest";
import { crashTests } from "./crashes.suite.ts";
import { endTests } from "./ends.suite.ts";
import { usePlace, type Machine, type MakeExecutor } from "./executor.testing.ts";
import { outputTests } from "./output.suite.ts";
import { silenceTests } from "./silence.suite.ts";

/** What every executor must do, whatever machine it reaches. */
export function executorSuite(name: string, make: MakeExecutor, machine: Machine = {}): void {
  describe(`${name} as an executor`, () => {
    const place = usePlace(make, machine);
    endTests(place);
    outputTests(place);
    crashTests(place);
    if (machine.connection !== undefined) silenceTests(place, machine.connection);
  });
}
