import type { TranscriptRecord } from "./entry.ts";

/** What the lab answered where a session's last try to hand in was not taken; null where it was, or none was made. */
export function refusedHandIn(records: readonly TranscriptRecord[]): string | null {
  const tries = new Set<string>();
  let answer: string | null = null;
  for (const { entry } of records) {
    if (entry.kind === "tool-call" && /\bsubmit_[a-z]+$/.test(entry.tool)) tries.add(entry.id);
    else if (entry.kind === "tool-result" && tries.has(entry.id)) answer = entry.error ? entry.text.trim() : null;
  }
  return answer;
}
