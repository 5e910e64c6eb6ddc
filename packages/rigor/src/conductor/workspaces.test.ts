import { afterEach, expect, test, vi } from "vitest";
import type { Sandbox } from "../agents/sandbox/sandbox.ts";
import type { Lab } from "../bench/lab/lab.ts";
import { IssueWorkspaces } from "./workspaces.ts";

afterEach(() => vi.useRealTimers());

const made = (kind: Sandbox["kind"], missing?: Sandbox["missing"]): Sandbox => ({
  ...{ kind, protections: [], wrap: (command) => [...command] },
  ...(missing === undefined ? {} : { missing }),
});

test("a sandbox is proved once; one that was not there is found later, and a trial without an answer is none [sandbox.absent]", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const none = made("none", { reason: "It is not installed.", next: "Install it." });
  const answers = [new Error("no answer"), none, made("bwrap")];
  let trials = 0;
  const workspaces = new IssueWorkspaces({ data: { root: "/nowhere" } } as Lab, () => {
    const answer = answers[trials++];
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer ?? none);
  });
  await expect(workspaces.sandbox()).rejects.toThrow("no answer");
  expect(await workspaces.sandbox()).toMatchObject({ kind: "none" });
  vi.advanceTimersByTime(59_000);
  expect(await workspaces.sandbox()).toMatchObject({ kind: "none" });
  vi.advanceTimersByTime(2_000);
  expect((await Promise.all([workspaces.sandbox(), workspaces.sandbox()])).map(({ kind }) => kind)).toEqual([
    "bwrap",
    "bwrap",
  ]);
  vi.advanceTimersByTime(600_000);
  expect(await workspaces.sandbox()).toMatchObject({ kind: "bwrap" });
  expect(trials).toBe(3);
});
