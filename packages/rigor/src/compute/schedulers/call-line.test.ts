import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { type CallKind, CallLine } from "./call-line.ts";
import { CallNotes } from "./call-notes.ts";

let startMs: number;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  startMs = performance.now();
});

const seconds = (count: number) => vi.advanceTimersByTimeAsync(count * 1_000);

/** Notes, for each call that is made, its kind and when that was: whole seconds from the start. */
class Diary {
  readonly line: CallLine;
  readonly entries: [kind: CallKind, second: number][] = [];

  constructor(line: CallLine) {
    this.line = line;
  }

  async call(kind: CallKind, onWait?: () => void): Promise<void> {
    const call = await this.line.take(kind, onWait === undefined ? {} : { onWait });
    this.entries.push([kind, Math.round((performance.now() - startMs) / 1_000)]);
    call.end();
  }

  /** Calls again and again. */
  async always(kind: CallKind): Promise<void> {
    for (;;) await this.call(kind);
  }

  count(kind: CallKind): number {
    return this.entries.filter(([one]) => one === kind).length;
  }
}

test("what ends jobs goes first; submissions and looks take turns; none starves [compute.calls-per-minute]", async () => {
  const diary = new Diary(new CallLine(6));
  void diary.always("submit");
  void diary.always("submit");
  void diary.always("look");
  await seconds(600);
  expect(diary.entries.length).toBeGreaterThanOrEqual(60);
  expect(Math.abs(diary.count("submit") - diary.count("look"))).toBeLessThanOrEqual(1);
  diary.entries.length = 0;
  const waited = vi.fn<() => void>();
  void diary.call("cancel", waited);
  void diary.call("cancel");
  await seconds(50);
  expect(waited).toHaveBeenCalledOnce();
  expect(diary.entries.map(([kind]) => kind).slice(0, 2)).toEqual(["cancel", "cancel"]);
  expect(new Set(diary.entries.map(([kind]) => kind).slice(2))).toEqual(new Set(["look", "submit"]));
});

test("a look is not passed over for ever by cancellations that come now and then between submissions", async () => {
  const diary = new Diary(new CallLine(6));
  void diary.always("submit");
  void diary.always("look");
  for (let round = 0; round < 30; round += 1) {
    void diary.call("cancel");
    await seconds(20);
  }
  expect(diary.count("cancel")).toBe(30);
  expect(Math.abs(diary.count("submit") - diary.count("look"))).toBeLessThanOrEqual(1);
});

test("those who share a scheduler keep to the least of what they allow [compute.one-budget]", async () => {
  const diary = new Diary(new CallLine(60));
  const [one, other] = [{}, {}];
  diary.line.limit(one, 60);
  diary.line.limit(other, 6);
  void diary.always("look");
  await seconds(55);
  expect(diary.entries).toHaveLength(6);
  diary.line.leave(other);
  await seconds(65);
  expect(diary.entries.length).toBeGreaterThan(40);
  expect(diary.line.now()).toMatchObject({ per_minute: 60, waiting: { cancel: 0, submit: 0, look: 1 } });
});

test("whoever waits no longer loses the turn to nobody, and a call that is given back is made by the next", async () => {
  const line = new CallLine(1);
  const controller = new AbortController();
  const first = await line.take("look");
  const given = line.take("submit", { signal: controller.signal });
  const diary = new Diary(line);
  void diary.call("look");
  controller.abort();
  await expect(given).rejects.toMatchObject({ code: "unreachable" });
  await expect(line.take("look", { signal: controller.signal })).rejects.toMatchObject({ code: "unreachable" });
  expect(diary.entries).toEqual([]);
  first.giveBack();
  await seconds(1);
  expect(diary.entries).toHaveLength(1);
});

test("calls of an earlier process count, whenever it died; and where another daemon was, a whole minute of them does [compute.calls-per-minute]", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rigor-calls-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const notes = new CallNotes(join(folder, "calls/one.json"));
  const before = new CallLine(3, notes);
  (await before.take("submit")).end();
  await seconds(25);
  await before.take("look");
  await seconds(5);
  const after = new Diary(new CallLine(3, notes));
  expect(after.line.now().last_minute).toBe(2);
  void after.always("look");
  await seconds(115);
  // Not at once: the last call before counts as if it had ended when the second process began.
  expect(after.entries.map(([, second]) => second)).toEqual([50, 70, 90, 110, 130]);
  writeFileSync(join(folder, "calls/one.json"), readFileSync(join(folder, "calls/one.json"), "utf8").slice(0, 9));
  expect(new CallLine(3, notes).now().last_minute).toBe(0);

  const other = new CallLine(3);
  other.supposeCalls();
  expect(other.now().last_minute).toBe(3);
});
