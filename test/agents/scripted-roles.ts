/** A model that does every role of the small issue, told by the brief that it is shown. */
import type { Asked, Reply } from "./model-server.ts";
import { approving, clarification, completed, objecting, tinyWork, type IssueWork } from "./tiny-issue.ts";

export interface Scripted {
  /** Whether the methodology critic does not take the first plan. */
  objects: boolean;
  /** What the issue of a brief is about. */
  workOf?: (brief: string) => IssueWork;
}

export function scriptedRoles({ objects, workOf = () => tinyWork }: Scripted): (asked: Asked) => Reply {
  const roles = acts(objects, workOf);
  return (asked) => {
    const role = roles.find(([beginning]) => asked.prompt.includes(beginning));
    return role === undefined ? { text: "Nobody told me what to do." } : role[1](asked);
  };
}

/** What each role does, by the brief that it is shown. */
const acts = (
  objects: boolean,
  workOf: (brief: string) => IssueWork,
): readonly (readonly [beginning: string, act: (asked: Asked) => Reply])[] => [
  [
    "You are the clarifier",
    inTurn([call("search_lab", { words: "step" })], () => [call("submit_clarification", clarification)]),
  ],
  [
    "You are the planner",
    inTurn([call("search_lab", { words: "step" })], ({ prompt }) => planning(prompt, workOf(prompt))),
  ],
  [
    "You are the methodology critic",
    inTurn([], ({ prompt }) => [call("submit_review", objects ? criticism(prompt) : approving("It is sound."))]),
  ],
  ["You are the statistics critic", inTurn([], () => [call("submit_review", approving("Five seeds are enough."))])],
  ["You are the alternatives critic", inTurn([], () => [call("submit_review", approving("No better explanation."))])],
  [
    "You are the implementer",
    inTurn(
      ({ prompt }) => {
        const { file, code } = workOf(prompt);
        return [call("Bash", { command: `cat > ${file} <<'END'\n${code}END`, description: "Write the training" })];
      },
      () => [
        call("submit_change", {
          summary: "The training, because I like it so.",
          how_tested: "By reading.",
          answers: [],
        }),
      ],
    ),
  ],
  [
    "You are the code reviewer",
    inTurn([call("Bash", { command: "touch mine.txt; cat train*.mjs", description: "Read" })], () => [
      call("submit_review", approving("It does what the plan says.")),
    ]),
  ],
  ["You are the tester", inTurn([], () => [call("submit_review", approving("The outputs are as declared."))])],
  [
    "You are the analyzer",
    inTurn([], ({ prompt }) => [call("submit_result", { document: completed(prompt), answers: [] })]),
  ],
  [
    "You are the interpretation critic",
    inTurn([call("get_result", { experiment: "tiny" })], () => [call("submit_review", approving("It follows."))]),
  ],
  [
    "You propose what a research lab does next",
    inTurn([], ({ prompt }) => [call("submit_proposals", workOf(prompt).proposals)]),
  ],
];

/** A call of a tool. */
export function call(tool: string, input: object) {
  return { tool, input: input as Record<string, unknown> };
}

type Calls = ReturnType<typeof call>[];

/** First these calls, then those until what is handed in was taken. */
export function inTurn(first: Calls | ((asked: Asked) => Calls), then: (asked: Asked) => Calls) {
  return (asked: Asked): Reply => {
    const { results, turn } = asked;
    if (results.some(({ tool, isError }) => tool.includes("submit_") && !isError)) return { text: "I have handed in." };
    // One that is interrupted comes to this twice; a lab that is gone for a moment is asked again after one.
    const delay = results.at(-1)?.isError === true ? 1 : 0;
    const begin = typeof first === "function" ? first(asked) : first;
    return { text: "I go on.", calls: turn === 0 && begin.length > 0 ? begin : then(asked), delay };
  };
}

/** The first plan gets an objection; the second one answers it. */
function criticism(prompt: string): object {
  const answered = /Concern (\d+) \(blocker, about the plan, fixed, from methodology-critic\)/.exec(prompt)?.[1];
  if (answered === undefined) return objecting("The baseline is not tuned.");
  return {
    ...approving("It is tuned now."),
    settled: [{ concern: Number(answered), status: "verified", reason: "Seen." }],
  };
}

function planning(prompt: string, { plan }: IssueWork): Calls {
  const open = /Concern (\d+) \(blocker, about the plan, open, from methodology-critic\)/.exec(prompt)?.[1];
  if (open === undefined) return [call("submit_plan", plan)];
  const answers = [{ concern: Number(open), answer: "fixed", reason: "The baseline's step was tuned." }];
  return [call("submit_plan", { ...plan, reasons: `${plan.reasons} The baseline is tuned.`, answers })];
}
