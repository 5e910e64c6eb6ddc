/** Works on issues as the persons of a lab would: looks as the board does, and acts through the real command line. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { stringify } from "yaml";
import type {
  GateView,
  IssueView,
  SessionDetail,
  SessionView,
} from "../../packages/rigor/src/api/contract/views/issues.ts";
import type { UserLab } from "../e2e/lab.ts";

export interface Inbox {
  gates: GateView[];
  sessions: SessionView[];
}

export class IssueBoard {
  readonly #lab: UserLab;
  #files = 0;

  constructor(lab: UserLab) {
    this.#lab = lab;
  }

  async inbox(): Promise<Inbox> {
    return (await this.#lab.client()).gates.list({ project: this.#lab.repository });
  }

  async story(issue: number): Promise<IssueView> {
    return (await this.#lab.client()).issues.get({ project: this.#lab.repository, number: issue });
  }

  /** Waits until something is so. */
  async until<Value>(what: string, look: () => Promise<Value | undefined>, minutes = 5): Promise<Value> {
    const end = Date.now() + minutes * 60_000;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > end) throw new Error(`${what} did not come: ${JSON.stringify(await this.inbox(), null, 1)}`);
      await sleep(100);
    }
  }

  /** The gate of this name, once it is open. */
  gate(name: GateView["name"]): Promise<GateView> {
    return this.until(`the gate ${name}`, async () => (await this.inbox()).gates.find((one) => one.name === name));
  }

  /** The first gate that is opened after another one. */
  gateAfter(number: number): Promise<GateView> {
    return this.until(`a gate after ${number}`, async () =>
      (await this.inbox()).gates.find((one) => one.number > number),
    );
  }

  /** The session in which a person does a role's work, once it has begun. */
  work(role: SessionView["role"]): Promise<SessionView> {
    return this.until(`the work of the ${role}`, async () =>
      (await this.inbox()).sessions.find((one) => one.role === role),
    );
  }

  async detail({ id }: SessionView): Promise<SessionDetail> {
    return (await this.#lab.client()).sessions.get({ id });
  }

  /** Hands in as a person does, from a file. */
  submit(session: SessionView, content: object) {
    this.#files += 1;
    const file = join(this.#lab.directory, `submission-${this.#files}.yaml`);
    writeFileSync(file, stringify(content));
    return this.#lab.rigor("session", "submit", session.id, file);
  }

  /** Waits for a role's work and does it. */
  async does(role: SessionView["role"], content: object): Promise<SessionView> {
    const session = await this.work(role);
    const answer = await this.submit(session, content);
    if (answer.status !== 0) throw new Error(`the ${role} could not hand in: ${answer.text}`);
    return session;
  }
}
