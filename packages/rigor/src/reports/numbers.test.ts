import * as fc from "fast-check";
import { expect, test } from "vitest";
import { pText, roundedBy } from "./numbers.ts";

test.each([
  [[93.3456, 0.4321], 0.4321, ["93.35", "0.43"], 0],
  [[0.5, 0.0996], 0.0996, ["0.50", "0.10"], 0],
  [[4567.89, 123.4], 123.4, ["4568", "123"], 0],
  [[-0.0001, 12], 12, ["0", "12"], 0],
  [[1.234e-9, 4.2e-11], 4.2e-11, ["1.234", "0.042"], -9],
  [[5e-324, 5e-324], 5e-324, ["5.0", "5.0"], -324],
  [[2.5e8], null, ["2.5"], 8],
  [[0.123456], null, ["0.1235"], 0],
  [[12345.678], null, ["12346"], 0],
  [[0.5, 0], 0, ["0.5", "0"], 0],
  [[0.7, 1e-17], 1e-17, ["0.7", "0"], 0],
])("%j by %d", (values, half, texts, exponent) => {
  expect(roundedBy(half, values)).toEqual({ texts, exponent });
});

test("what is rounded lies within a tenth of the half-width", () => {
  const number = fc.double({ noNaN: true, min: -1e12, max: 1e12 });
  fc.assert(
    fc.property(number, fc.double({ noNaN: true, min: 1e-6, max: 1e12 }), (value, half) => {
      fc.pre(half > Math.abs(value) * 1e-10);
      const { texts, exponent } = roundedBy(half, [value, half]);
      for (const [index, exact] of [value, half].entries()) {
        expect(Math.abs(Number(`${texts[index]}e${exponent}`) - exact)).toBeLessThanOrEqual(half * 0.0501 + 1e-12);
      }
    }),
  );
});

test("a p value never reads as zero", () => {
  expect(pText(0)).toBe("< 0.0001");
  expect(pText(0.000123456)).toBe("0.000123");
  expect(pText(1)).toBe("1");
});
