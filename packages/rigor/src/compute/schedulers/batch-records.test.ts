import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AttemptDirectory } from "../attempt/attempt-directory.ts";
import { type BatchRecord, BatchRecords } from "./batch-records.ts";

let data: string;
const host = "login";

beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "rigor-records-"));
});
afterEach(() => rmSync(data, { recursive: true }));

function record(name: string, attempts: readonly string[], recorded_at = 1): BatchRecord {
  const members = attempts.map((attempt) => ({ run: "00run", attempt }));
  for (const { run, attempt } of members) AttemptDirectory.in(data, run, attempt).create();
  return { name, host, folder: `/batches/${name}`, recorded_at, id: null, refused: null, heartbeat: 10, members };
}

const files = () => readdirSync(join(data, "batches")).toSorted();

test("a batch and its id are known after a restart, whatever else lies there [F01] [F10]", () => {
  const records = new BatchRecords(data, host);
  const batch = record("rigor-1", ["a", "b"]);
  records.add(batch);
  expect(new BatchRecords(data, host).find("b")).toEqual({ batch: { ...batch, id: null }, index: 1 });
  records.learn(batch, "77");
  for (const text of ["", "{", "null", '{"name":"x"}']) writeFileSync(join(data, "batches/part.json"), text);
  writeFileSync(join(data, "batches/rigor-2.json.next"), "{");
  const later = new BatchRecords(data, host);
  expect(later.find("a")).toEqual({ batch: { ...batch, id: "77" }, index: 0 });
  expect(later.find("c")).toBeUndefined();
  later.refuse(batch, "Invalid account.");
  expect(new BatchRecords(data, host).find("a")?.batch.refused).toBe("Invalid account.");
});

test("an attempt is where it was last given to, and a batch without attempts is forgotten [F10]", () => {
  const records = new BatchRecords(data, host);
  records.add(record("rigor-1", ["a", "b"], 1));
  records.add(record("rigor-2", ["b"], 2));
  for (const each of [records, new BatchRecords(data, host)]) {
    expect(each.find("a")).toMatchObject({ batch: { name: "rigor-1" }, index: 0 });
    expect(each.find("b")).toMatchObject({ batch: { name: "rigor-2" }, index: 0 });
  }
  records.add(record("rigor-3", ["a"], 3));
  expect(files()).toEqual(["rigor-2.json", "rigor-3.json"]);
  expect(records.takeForgotten()).toEqual(["rigor-1"]);
  expect(records.takeForgotten()).toEqual([]);
});

test("batches whose attempts have all ended are forgotten at a start, and others' are left alone", () => {
  const records = new BatchRecords(data, host);
  records.add(record("rigor-1", ["a", "b"]));
  records.add(record("rigor-2", ["c"]));
  records.add(record("rigor-3", ["d"]));
  const directory = (attempt: string) => AttemptDirectory.in(data, "00run", attempt);
  for (const attempt of ["a", "c"]) writeFileSync(directory(attempt).exit, "{}\n");
  rmSync(directory("d").path, { recursive: true });
  expect(new BatchRecords(data, "another").takeForgotten()).toEqual([]);
  const later = new BatchRecords(data, host);
  expect(later.takeForgotten().toSorted()).toEqual(["rigor-2", "rigor-3"]);
  expect(files()).toEqual(["rigor-1.json"]);
  expect(later.find("a")?.batch.name).toBe("rigor-1");
});

test("without room for its record nothing is submitted [storage.read-only]", () => {
  expect(() => new BatchRecords("/sys/rigor", host)).toThrow(/^Cannot write /);
  const records = new BatchRecords(data, host);
  mkdirSync(join(data, "batches/rigor-1.json.next"));
  expect(() => records.add(record("rigor-1", ["a"]))).toThrow(/EISDIR/);
  expect(records.find("a")).toBeUndefined();
});
