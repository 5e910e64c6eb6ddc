import { expect, test } from "vitest";
import { WatchedTime } from "./watched-time.ts";

test("time in which a daemon stood still is none that its session has used [session.limits]", () => {
  let clock = 5_000;
  const time = new WatchedTime(() => clock);
  for (let looks = 0; looks < 100; looks++) {
    clock += 100;
    time.now();
  }
  expect(time.now()).toBe(10_000);
  clock += 3_600_000;
  expect(time.now()).toBe(20_000);
  clock += 100;
  expect(time.now()).toBe(20_100);
});
