import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fitting } from "./members.ts";

test("words are given to as many calls as they need, each once and in their order [compute.calls-per-minute]", () => {
  const words = fc.array(fc.stringMatching(/^[0-9_[\],-]{1,9000}$/), { maxLength: 20 });
  fc.assert(
    fc.property(words, (given) => {
      const pieces = fitting(given);
      expect(pieces.flat()).toEqual(given);
      for (const piece of pieces) expect(piece.join("\n").length).toBeLessThan(30_000);
      for (const [at, piece] of pieces.slice(1).entries())
        expect([...(pieces[at] ?? []), piece[0]].join("\n").length).toBeGreaterThan(29_000);
    }),
  );
});
