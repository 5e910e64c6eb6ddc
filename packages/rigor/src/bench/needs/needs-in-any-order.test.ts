import fc from "fast-check";
import { expect, test } from "vitest";
import { compareWithLog } from "../../store/rebuild.ts";
import { type Happening, happenings, NeedsLab } from "./needs-lab.testing.ts";

/** Work goes on between whatever else happens. */
const happening = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<Happening>("start", "succeed", "rerun") },
  { weight: 2, arbitrary: fc.constantFrom(...happenings) },
);
const steps = fc.array(fc.tuple(happening, fc.nat(11)), { minLength: 30, maxLength: 60, size: "max" });

test(
  "in whatever order things happen, no run starts before those that it needs, none counts without them, and all can still be done [needs.order] [needs.validity] [F05] [F23]",
  { timeout: 300_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const lab = await NeedsLab.open();
        expect(await lab.disorder()).toEqual([]);
        for (const [what, pick] of sequence) {
          await lab.happen(what, pick);
          expect(await lab.disorder()).toEqual([]);
        }
        expect(await lab.finishAll()).toEqual([]);
        expect(await lab.disorder()).toEqual([]);
        expect(await compareWithLog(lab.bench.lab.store)).toEqual([]);
      }),
      { numRuns: 30 },
    );
  },
);
