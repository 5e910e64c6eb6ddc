import { ORPCError } from "@orpc/client";
import { describe, expect, test } from "vitest";
import { errorCodes, RigorError } from "../../domain/errors.ts";
import {
  AnotherServerError,
  describeFailure,
  exitStatus,
  failureJson,
  failureText,
  isConnectionFailure,
  isUnheard,
} from "./failure.ts";
import { startFailure } from "../daemon/start-daemon.ts";
import { plainStyle } from "./terminal.ts";

const place = { logFile: "/data/daemon.log" };

const refused = new Error("request failed", { cause: Object.assign(new Error("connect"), { code: "ECONNREFUSED" }) });
const reset = new Error("request failed", { cause: Object.assign(new Error("socket"), { code: "ECONNRESET" }) });

describe("an error [cli.no-stack]", () => {
  test("says what happened and what to do, without a stack and without control of the terminal", () => {
    const failure = describeFailure(
      new RigorError("file-invalid", "a.yaml:3:1: \u001b[31mwrong", { next: "Mend it.\nTry again." }),
      place,
    );
    expect(failureText(failure, plainStyle)).toBe(
      String.raw`error: a.yaml:3:1: \x1b[31mwrong` + "\n  Mend it.\n  Try again.\n",
    );
    expect(JSON.parse(failureJson(failure))).toEqual({
      error: { code: "file-invalid", message: "a.yaml:3:1: \u001b[31mwrong", next: "Mend it.\nTry again." },
    });
  });

  test("of the daemon keeps its code, message and advice", () => {
    const data = { code: "not-found", message: "No experiment is called x.", next: null };
    const failure = describeFailure(new ORPCError("NOT_FOUND", { data }), place);
    expect(failure).toEqual(data);
    expect(exitStatus(failure)).toBe(2);
  });

  test.each(Object.entries(errorCodes))("with the code %s has the exit status of that code", (code, { exit }) => {
    const data = { code, message: "m", next: null };
    expect(exitStatus(describeFailure(new ORPCError("ANY", { data }), place))).toBe(exit);
  });

  test("in this program's fault names the log and how to report it, and exits with 70", () => {
    const failure = describeFailure(new Error("undefined is not a function"), place);
    expect(failure.code).toBe("internal");
    expect(failure.message).toBe("undefined is not a function");
    expect(failure.next).toContain("/data/daemon.log");
    expect(failure.next).toContain("report it");
    expect(exitStatus(failure)).toBe(70);
  });

  test("of the framework is for people, too", () => {
    const invalid = new ORPCError("BAD_REQUEST", {
      message: "Input validation failed",
      data: { issues: [{ message: "too long" }] },
    });
    expect(describeFailure(invalid, place)).toMatchObject({
      code: "usage",
      message: "The request was refused: Input validation failed\ntoo long",
    });
    expect(describeFailure(new ORPCError("UNAUTHORIZED"), place).code).toBe("unauthorized");
  });

  test("about a path says what is wrong with it", () => {
    const denied = Object.assign(new Error("EACCES"), { code: "EACCES", path: "/data/x" });
    expect(describeFailure(denied, place).message).toBe("/data/x may not be used: permission denied.");
  });

  test("of the connection is told apart: only a refused request may be sent again", () => {
    expect([refused, reset, new Error("other")].map(isConnectionFailure)).toEqual([true, true, false]);
    const parsing = Object.assign(new Error("Parse Error"), { code: "HPE_INVALID_CONSTANT" });
    const noHttp = new Error("request failed", { cause: parsing });
    expect([refused, noHttp, new AnotherServerError(), reset].map(isUnheard)).toEqual([true, true, true, false]);
    expect(describeFailure(reset, place).code).toBe("daemon");
  });

  test("to write is one of the connection in a request, and of the reader on standard output", () => {
    const write = Object.assign(new Error("write EPIPE"), { code: "EPIPE", syscall: "write" });
    const inRequest = new Error("request failed", { cause: write });
    expect([write, inRequest].map(isConnectionFailure)).toEqual([false, true]);
    expect(describeFailure(inRequest, place).code).toBe("daemon");
  });
});

test("the reason of a daemon that does not start is found in its log", () => {
  const log =
    '{"level":30,"msg":"x"}\nnoise\n{"error":{"code":"database","message":"It is damaged.","next":"Restore it."}}\n';
  expect(startFailure(log)).toEqual({ code: "database", message: "It is damaged.", next: "Restore it." });
  expect(startFailure('{"error": broken\n')).toBeNull();
});
