import { constants } from "node:os";
import { expect, test } from "vitest";
import { isFull } from "../../hosts/system-errors.ts";
import { asStorage } from "./storage-errors.ts";

/** What Node throws for the error of a quota, as a trace that injects it shows: it has no name for its number. */
function quotaError(): Error {
  const code = `Unknown system error -${constants.errno.EDQUOT}`;
  return Object.assign(new Error(`${code}: ${code}, write`), {
    code,
    errno: -constants.errno.EDQUOT,
    syscall: "write",
  });
}

test("a quota that is used up is named, although Node has no name for it [F21] [F25]", () => {
  expect(isFull(quotaError())).toBe(true);
  const write = () => {
    throw quotaError();
  };
  expect(() => asStorage("/data", write)).toThrow("Cannot write /data: the disk quota is used up.");
});
