/** Documents that are written to hold up whoever reads them. */
import { expect, test } from "vitest";
import { documentWith, facts } from "./document.testing.ts";
import { checkDocument, outlineDocument, renderDocument } from "./reader.ts";

/** Milliseconds that this thread was held up at most while something else went on. */
async function heldUp(meanwhile: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - before);
    before = performance.now();
  }, 10);
  await meanwhile();
  clearInterval(timer);
  return longest;
}

test("one that would take minutes to read is refused, holds nobody up, and the next one is read [document.bounded]", async () => {
  const hostile = documentWith({ Takeaways: "]".repeat(59_000) });
  const read = () =>
    expect(checkDocument(hostile, facts())).rejects.toMatchObject({
      code: "file-invalid",
      message: expect.stringContaining("takes more than 5 s of processor time"),
    });
  expect(await heldUp(read)).toBeLessThan(4_500);
  const { problems, hash } = await checkDocument(documentWith({}), facts());
  expect(problems.filter(({ severity }) => severity === "error")).toEqual([]);
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
});

test("what is refused in the thread says outside what is wrong and what to do [document.bounded]", async () => {
  const wrong = documentWith({ Takeaways: "It reaches 93.4 %." });
  await expect(renderDocument(wrong, facts())).rejects.toMatchObject({
    code: "file-invalid",
    next: expect.stringContaining("Mend 1 error"),
  });
  expect(await outlineDocument("# A text\n")).toEqual({ experiment: null, directives: 0 });
});
