import { expect, test } from "vitest";
import { clientError } from "./errors.ts";

test("a connection to the database that was lost in the middle of a read is no fault of Rigor", () => {
  const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
  const broken = new Error("Client has encountered a connection error and is not queryable");
  for (const error of [reset, broken]) {
    expect(clientError(error).data).toMatchObject({ code: "database", message: expect.stringContaining("PostgreSQL") });
  }
  expect(clientError(new TypeError("x is undefined")).data).toMatchObject({ code: "internal" });
});
