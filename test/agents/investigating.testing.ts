import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { InvestigationView } from "../../packages/rigor/src/api/contract/views/investigations.ts";
import type { SshLab } from "../clusters/ssh.ts";
import type { UserLab } from "../e2e/lab.ts";
import type { Asked, Reply } from "./model-server.ts";

/** A repository with a tool server, for the host lab1. */
export function measuringOn(hosts: SshLab): Record<string, string> {
  const http = { health: "/health", ready_seconds: 120 };
  return {
    "measure.py": readFileSync(join(import.meta.dirname, "measure.py"), "utf8"),
    "rigor.yaml": JSON.stringify({ compute: { lab1: { kind: "ssh", host: "lab1", ssh_config: hosts.config } } }),
    "tools.json": JSON.stringify({
      mcpServers: { bench: { command: "python3", args: ["measure.py", "${PORT}"], http } },
    }),
  };
}

/** Starts one investigation by the command line, and waits for its end. */
export async function investigateIn(lab: UserLab, question: string, file: string, ...more: string[]) {
  const { investigations } = await lab.json<{ investigations: InvestigationView[] }>(
    ...["investigate", question, "--tools", file, ...more],
  );
  const [found] = investigations;
  if (found === undefined) throw new Error("nothing was started");
  return found;
}

/** Starts one and does not wait for it. */
export async function beginIn(lab: UserLab, question: string, file: string, ...more: string[]) {
  const { investigations } = await lab.json<{ investigations: { number: number; directory: string }[] }>(
    ...["investigate", question, "--tools", file, "--detach", ...more],
  );
  return investigations[0] ?? { number: 0, directory: "" };
}

export const showIn = (lab: UserLab, number: number) =>
  lab.json<InvestigationView>("investigation", "show", String(number));

const explanation = {
  behaviour: "The value grows faster than x.",
  explanation: "It is the square of x.",
  components: [{ name: "square", part: "Multiplies x by itself." }],
  evidence: [{ kind: "observation", statement: "It is 9 at 3.", source: "curve.csv" }],
  confidence: 0.6,
  alternatives: [],
  limits: [],
  artifacts: ["curve.csv"],
};
const summary = { answer: "It is a parabola.", answered: true, summary: "I measured 3, which is enough." };

/**
 * What the model does: measures, and again where the answer was lost on its way; explains with the artifact that the measurement
 * left, and concludes.
 *
 * @param directory of the lab: a file `go-on` there lets those go on that were asked to wait
 */
export const investigator =
  (directory: () => string) =>
  async ({ prompt, results }: Asked): Promise<Reply> => {
    const call = (tool: string, input: object): Reply => ({
      text: "I go on.",
      calls: [{ tool, input: input as Record<string, unknown> }],
    });
    const said = results.map(({ text }) => text).join("\n");
    // It does not spend its turns on a server that is dead.
    if (prompt.includes("dies") && results.length > 0) return { text: "…", delay: 600, calls: [] };
    if (!said.includes("value 9")) return call("measure", { x: 3 });
    if (prompt.includes("AGAIN") && !existsSync(join(directory(), "go-on"))) return call("measure", { x: 3 });
    if (prompt.includes("WAIT") && !existsSync(join(directory(), "go-on"))) return { text: "…", delay: 600, calls: [] };
    if (prompt.includes("TWICE") && !said.includes("value 16")) return call("measure", { x: 4 });
    if (!said.includes("was taken")) return call("submit_explanation", explanation);
    if (!said.includes("You are done")) return call("submit_summary", summary);
    return { text: "Done." };
  };
