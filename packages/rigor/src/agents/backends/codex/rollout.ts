import { globSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Usage } from "../../transcripts/entry.ts";
import { GrowingLines } from "../growing-lines.ts";
import { parseJson } from "../parse-line.ts";

const usageRecord = z.object({
  timestamp: z.iso.datetime(),
  type: z.literal("token_usage_record"),
  payload: z.object({
    usage: z.object({ input_tokens: z.number(), cached_input_tokens: z.number(), output_tokens: z.number() }),
  }),
});

/** Where Codex records the one conversation of a home; null as long as there is none. */
export function findRollout(codexHome: string): { path: string; thread: string } | null {
  for (const name of globSync("sessions/*/*/*/rollout-*.jsonl", { cwd: codexHome })) {
    const thread = /([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[.]jsonl$/.exec(name)?.[1];
    if (thread !== undefined) return { path: join(codexHome, name), thread };
  }
  return null;
}

/** What Codex's own record says of its usage: its output tells only at the end. */
export class RolloutUsage {
  readonly #codexHome: string;
  /** Earlier processes wrote to the same record. */
  readonly #since: number;
  #lines: GrowingLines | null = null;
  readonly #used: Omit<Usage, "seconds" | "cost"> = { turns: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };

  /** @param since milliseconds of the epoch */
  constructor(codexHome: string, since: number) {
    this.#codexHome = codexHome;
    this.#since = since;
  }

  async look(): Promise<void> {
    const path = this.#lines === null ? findRollout(this.#codexHome)?.path : undefined;
    if (path !== undefined) this.#lines = new GrowingLines(path);
    for (const line of (await this.#lines?.read()) ?? []) this.#count(line);
  }

  get used(): Omit<Usage, "seconds" | "cost"> {
    return { ...this.#used };
  }

  #count(line: string): void {
    if (!line.includes('"token_usage_record"')) return;
    const record = usageRecord.safeParse(parseJson(line));
    if (!record.success || Date.parse(record.data.timestamp) < this.#since) return;
    const { input_tokens, cached_input_tokens, output_tokens } = record.data.payload.usage;
    this.#used.turns++;
    this.#used.inputTokens += input_tokens;
    this.#used.cachedTokens += cached_input_tokens;
    this.#used.outputTokens += output_tokens;
  }
}
