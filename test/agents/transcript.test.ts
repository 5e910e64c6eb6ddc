import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Masker } from "../../packages/rigor/src/agents/transcripts/masking.ts";
import { readTranscript, Transcript } from "../../packages/rigor/src/agents/transcripts/transcript.ts";
import { canMount, SmallDisk } from "../chaos/mount.ts";

const told = (text: string) => [{ entry: { kind: "text", text } as const, source: null }];

async function textsIn(path: string): Promise<number[]> {
  return (await readTranscript(path)).map(({ entry }) => (entry.kind === "text" ? entry.text.length : -1));
}

test.skipIf(!canMount())(
  "a transcript that met a full disk is whole, and goes on when there is room [session.disk]",
  async () => {
    const disk = new SmallDisk("100k");
    try {
      const transcript = new Transcript(join(disk.path, "transcript.jsonl"), new Masker([]));
      await transcript.append(told("a".repeat(1_000)));
      writeFileSync(join(disk.path, "filler"), Buffer.alloc(80_000));
      await expect(transcript.append(told("b".repeat(50_000)))).rejects.toThrow(/ENOSPC/);
      expect(await textsIn(transcript.path)).toEqual([1_000]);
      rmSync(join(disk.path, "filler"));
      await transcript.append(told("c".repeat(2_000)));
      expect(await textsIn(transcript.path)).toEqual([1_000, 2_000]);
    } finally {
      disk.remove();
    }
  },
);

test("a transcript whose last line broke off goes on after the last whole one [session.survives]", async () => {
  const directory = mkdtempSync(join(tmpdir(), "rigor-transcript-"));
  try {
    const path = join(directory, "transcript.jsonl");
    await new Transcript(path, new Masker([])).append(told("a"));
    const whole = statSync(path).size;
    appendFileSync(path, '{"time":"2026-01-01T00:00:00.000Z","sou');
    await new Transcript(path, new Masker([])).append(told("bb"));
    expect(await textsIn(path)).toEqual([1, 2]);
    expect(statSync(path).size).toBe(2 * whole + 1);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
