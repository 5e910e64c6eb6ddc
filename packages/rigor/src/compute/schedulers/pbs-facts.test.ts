import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readPbsFacts } from "./pbs-facts.ts";

describe("the facts of a server of PBS", () => {
  const queues = readFileSync(new URL("../fixtures/openpbs-23.06/qstat-Qf.json", import.meta.url), "utf8");
  const server = (attributes: string) =>
    `{"pbs_version":"23.06.06","Server":{"vm":{"default_queue":"workq"${attributes}}}}`;

  test("are read from the recorded answer of a queue, without limits and without a history", () => {
    expect(readPbsFacts(server(""), queues, null)).toEqual({
      version: "PBS 23.06.06",
      array_limit: 10_000,
      history: false,
      problems: [],
    });
  });

  test("know the smaller limit, and why a queue takes no jobs", () => {
    const closed = queues.replace(`"enabled":\t"True"`, `"max_array_size":\t50,\n\t\t\t"enabled":\t"False"`);
    const facts = readPbsFacts(server(`,"max_array_size":"100","job_history_enable":"True"`), closed, "workq");
    expect(facts).toMatchObject({ array_limit: 50, history: true, problems: ["Queue is not enabled: workq"] });
  });

  test("are none where the answer is not whole", () => {
    expect(() => readPbsFacts(server("").slice(0, -2), queues, null)).toThrow("cannot be read");
  });
});
