import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideGate } from "./decide-gate.ts";
import { newest } from "./facts.ts";
import { fated, PaperBoard, smooth } from "./paper-board.testing.ts";
import type { GateRecord } from "./records.ts";

const enough = 400;
const answer = (choice: string) => ({ choice, reason: "Because.", answers: [] });
const edit = { document: "# Question, as I say it\n", hash: "mine" };

/** An issue whose result waits for a person. */
function atPromotion(): { board: PaperBoard; gate: GateRecord } {
  const board = new PaperBoard();
  for (let step = 0; step < enough; step++) {
    const gate = board.facts.gates.find(({ name, state }) => name === "promotion" && state === "open");
    if (gate !== undefined) return { board, gate };
    board.step();
  }
  throw new Error("no result came to its promotion");
}

describe("a document that a person edits [gate.edit]", () => {
  test("is asked about anew, and no earlier answer holds for it [gate.bound] [F34]", () => {
    const { board, gate } = atPromotion();
    const subject = newest(board.facts, "result")?.hash;
    board.append(...decideGate(board.facts, gate, answer("edit"), edit));
    const made = newest(board.facts, "result");
    expect(made).toMatchObject({ number: 2, hash: "mine", subject, session_id: null });
    const edited = board.facts.gates.at(-1) ?? gate;
    expect(() => decideGate(board.facts, edited, answer("approve"))).toThrow("was decided: edit");
    board.step();
    expect(board.facts.gates.at(-1)).toMatchObject({ name: "promotion", state: "open", binding: { result: "mine" } });
    board.run(enough);
    expect(board.facts.issue.state).toBe("done");
    expect(board.facts.sessions.filter(({ role }) => role === "analyzer")).toHaveLength(1);
  });

  test("is taken from one of two persons: the other is told, as is one who comes after the approval", () => {
    const { board, gate } = atPromotion();
    const now = (): GateRecord => board.facts.gates.find(({ number }) => number === gate.number) ?? gate;
    board.append(...decideGate(board.facts, now(), answer("edit"), edit));
    expect(() => decideGate(board.facts, now(), answer("edit"), { ...edit, document: "# Hers\n" })).toThrow(
      "was decided: edit",
    );
    const { board: other, gate: asked } = atPromotion();
    other.append(...decideGate(other.facts, asked, answer("approve")));
    const approved = other.facts.gates.at(-1) ?? asked;
    expect(() => decideGate(other.facts, approved, answer("edit"), edit)).toThrow("was decided: approve");
  });

  test("must be there, be another one, and belong to this answer", () => {
    const { board, gate } = atPromotion();
    const same = newest(board.facts, "result")?.content.document ?? "";
    expect(() => decideGate(board.facts, gate, answer("edit"))).toThrow("needs the edited document");
    expect(() => decideGate(board.facts, gate, answer("approve"), edit)).toThrow("takes no document");
    expect(() => decideGate(board.facts, gate, answer("edit"), { document: same, hash: "other" })).toThrow("as it was");
  });

  test("may bring back what was refused, and that is asked about all the same [F34]", () => {
    const { board, gate } = atPromotion();
    const first = newest(board.facts, "result");
    board.append(...decideGate(board.facts, gate, answer("revise")));
    while (newest(board.facts, "result") === first || board.facts.gates.at(-1)?.state !== "open") board.step();
    const asked = board.facts.gates.at(-1) ?? gate;
    const back = { document: "# As it was\n", hash: first?.hash ?? "" };
    board.append(...decideGate(board.facts, asked, answer("edit"), back));
    board.step();
    const again = board.facts.gates.at(-1);
    expect(again).toMatchObject({ name: "promotion", state: "open" });
    expect(again?.binding).not.toEqual(gate.binding);
  });

  test("after which its author is asked again writes another one, whatever persons did before", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 1_000 }), { minLength: 30, maxLength: 200 }), (numbers) => {
        const fate = fated(numbers);
        let asked = 0;
        const board = new PaperBoard({
          ...smooth,
          answers: (gate) => {
            if (gate.name !== "promotion" || (asked += 1) > 12) return smooth.answers(gate);
            return fate.passes("scope") ? "edit" : "revise";
          },
        });
        board.run(enough);
        const { issue, gates, sessions } = board.facts;
        expect(issue.state).toBe("done");
        const refused = gates.filter(({ name, choice }) => name === "promotion" && choice === "revise");
        expect(sessions.filter(({ role }) => role === "analyzer")).toHaveLength(1 + refused.length);
      }),
      { numRuns: 100 },
    );
  });
});
