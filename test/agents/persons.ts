/** Persons who do whatever the inbox asks for, over the command line, until somebody says that it is enough. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type {
  GateView,
  IssueView,
  SessionDetail,
  SessionView,
} from "../../packages/rigor/src/api/contract/views/issues.ts";
import type { Answer, UserLab } from "../e2e/lab.ts";
import { IssueBoard } from "./board.ts";
import { approving, clarification, completed, tinyWork, type IssueWork } from "./tiny-issue.ts";

/** What a role hands in, given its brief and its workspace; null leaves it to somebody else. */
export type Work = (detail: SessionDetail) => object | null;
export type Script = Partial<Record<SessionView["role"], Work>>;
/** The words after `rigor`; null to leave the gate open. */
export type Decide = (gate: GateView) => string[] | null;

const review: Work = () => approving("It is sound.");

/** What the plan asks for, in the workspace of the session. */
export function built({ workspace }: SessionDetail, { file, code }: IssueWork = tinyWork): object {
  if (workspace === null) throw new Error("a session without a workspace cannot build anything");
  writeFileSync(join(workspace, file), code);
  return { summary: "Adds the training.", how_tested: "By running it.", answers: [] };
}

/** Everything goes well at the first try. */
export const smoothly = (workOf: (brief: string) => IssueWork): Script => ({
  clarifier: () => clarification,
  planner: ({ brief }) => workOf(brief ?? "").plan,
  "methodology-critic": review,
  "statistics-critic": review,
  "alternatives-critic": review,
  implementer: (detail) => built(detail, workOf(detail.brief ?? "")),
  "code-reviewer": review,
  tester: review,
  analyzer: ({ brief }) => ({ document: completed(brief ?? ""), answers: [] }),
  "interpretation-critic": review,
  "follow-up-proposer": ({ brief }) => workOf(brief ?? "").proposals,
});

export const smooth = smoothly(() => tinyWork);

export class Persons extends IssueBoard {
  readonly #lab: UserLab;
  readonly #script: Script;
  readonly #decide: Decide;
  readonly #refusals: Answer[] = [];

  constructor(lab: UserLab, script: Script = {}, decide: Decide = (gate) => ["approve", String(gate.number)]) {
    super(lab);
    this.#lab = lab;
    this.#script = { ...smooth, ...script };
    this.#decide = decide;
  }

  /** Answers to what was handed in and not taken. */
  get refusals(): readonly Answer[] {
    return this.#refusals;
  }

  /** Works until the story of an issue is as it should be. */
  async workUntil(
    what: string,
    holds: (story: IssueView) => boolean,
    { issue = 1, minutes = 10 }: { issue?: number; minutes?: number } = {},
  ): Promise<IssueView> {
    const end = Date.now() + minutes * 60_000;
    for (;;) {
      const story = await this.#patiently(() => this.story(issue));
      if (holds(story)) return story;
      if (Date.now() > end)
        throw new Error(`${what} did not come: ${JSON.stringify(story.issue, null, 1)}${this.#lastRefusal()}`);
      if (!(await this.doWhatWaits())) await sleep(100);
    }
  }

  #lastRefusal(): string {
    const last = this.#refusals.at(-1);
    return last === undefined ? "" : `\n${this.#refusals.length} times something was refused, at last: ${last.text}`;
  }

  /** Does all that the inbox asks for now. Returns whether anything was to do. */
  async doWhatWaits(): Promise<boolean> {
    const { gates, sessions } = await this.#patiently(() => this.inbox());
    let did = false;
    for (const session of sessions) {
      const work = this.#script[session.role];
      if (work === undefined) continue;
      const detail = await this.#patiently(() => this.detail(session));
      // Somebody else did it, or it was given back.
      if (detail.session.state === "ended") continue;
      const content = work(detail);
      if (content === null) continue;
      const answer = await this.submit(session, content);
      if (answer.status !== 0) this.#refusals.push(answer);
      did = true;
    }
    for (const gate of gates) {
      const words = this.#decide(gate);
      if (words === null) continue;
      const answer = await this.#lab.rigor(...words);
      if (answer.status !== 0) this.#refusals.push(answer);
      did = true;
    }
    return did;
  }

  /** A daemon that is killed, or loses its database, while it is asked is asked again. */
  async #patiently<Value>(ask: () => Promise<Value>): Promise<Value> {
    const deadline = Date.now() + 300_000;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(100);
      }
    }
  }
}

/** Numbers of concerns about a kind of work that a brief shows in a state. */
export function openConcerns(brief: string | null, about: string, state: string): number[] {
  const pattern = new RegExp(`Concern (\\d+) \\(\\w+, about the ${about}, ${state},`, "g");
  return [...(brief ?? "").matchAll(pattern)].map(([, number]) => Number(number));
}
