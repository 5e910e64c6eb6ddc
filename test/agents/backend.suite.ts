import { describe } from "vitest";
import { usePlace, type AgentUnderTest } from "./backend.testing.ts";
import { endTests } from "./ends.suite.ts";
import { limitTests } from "./limits.suite.ts";
import { privacyTests } from "./privacy.suite.ts";
import { resumeTests } from "./resume.suite.ts";
import { survivalTests } from "./survival.suite.ts";
import { toolTests } from "./tools.suite.ts";

/** What every back end must do, whichever agent it drives. */
export function backendSuite(name: string, agent: AgentUnderTest): void {
  describe(`${name} as a back end`, () => {
    const place = usePlace(agent);
    toolTests(place);
    limitTests(place);
    endTests(place);
    resumeTests(place);
    survivalTests(place);
    privacyTests(place);
  });
}
