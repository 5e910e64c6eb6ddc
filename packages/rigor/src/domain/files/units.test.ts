import { expect, test } from "vitest";
import { readDuration, readSize } from "./units.ts";

test.each([
  ["1GB", 1e9],
  ["512MiB", 512 * 2 ** 20],
  ["1.5 kB", 1500],
  ["80gib", 80 * 2 ** 30],
  ["7B", 7],
  [4096, 4096],
])("the size %j is %d bytes", (input, bytes) => {
  expect(readSize(input)).toEqual({ value: bytes });
});

test.each([
  ["1G"],
  ["GB"],
  ["-1GB"],
  ["1e3GB"],
  ["0MB"],
  [0],
  [1.5],
  [Number.POSITIVE_INFINITY],
  ["99999999PB"],
  [null],
  ["12"],
])("%j is no size", (input) => {
  expect(readSize(input)).toHaveProperty("problem");
});

test.each([
  [90, 90],
  ["10m", 600],
  ["1h30m", 5400],
  ["2d", 172_800],
  ["1d 2h 3m 4s", 93_784],
  ["1.5h", 5400],
  ["01:30:05", 5405],
  ["100:00:00", 360_000],
])("the duration %j is %d seconds", (input, seconds) => {
  expect(readDuration(input)).toEqual({ value: seconds });
});

test.each([
  [""],
  ["  "],
  ["10"],
  ["30m1h"],
  ["1h1h"],
  ["10:00"],
  ["1:60:00"],
  ["-5m"],
  [0],
  [-1],
  [Number.NaN],
  ["0s"],
  [true],
])("%j is no duration", (input) => {
  expect(readDuration(input)).toHaveProperty("problem");
});
