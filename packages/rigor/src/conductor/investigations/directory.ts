import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import type { Json } from "../../domain/canonical.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Explanation } from "../../domain/investigations/explanation.ts";
import type { InvestigationRecord } from "../../domain/investigations/records.ts";
import { writeWhole } from "../../provenance/files.ts";

/** An entry of the research log. */
export interface LogEntry {
  time: string;
  text: string;
}

/** An event of the log, as it is kept with the investigation. */
export interface InvestigationEvent {
  time: string;
  actor: string;
  kind: string;
  data: Json;
}

/**
 * The directory of one investigation: every path in it is named here.
 *
 * | what | |
 * | --- | --- |
 * | `question.md` | what is asked |
 * | `log.md` | the research log, with times |
 * | `explanations.md`, `explanations.json` | what was handed in |
 * | `summary.md` | the answer, or how it ended without one |
 * | `events.jsonl` | what happened, from the log of the lab |
 * | `artifacts/` | all that the agent may write: pictures, tables |
 * | `tools.json` | how its tool servers are started; it may hold secrets |
 * | `tools/NAME.log`, `tools/NAME/data/` | what a server printed, and its own data |
 * | `session/` | the agent's session, with its transcript |
 */
export class InvestigationDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get artifacts(): string {
    return join(this.path, "artifacts");
  }
  get servers(): string {
    return join(this.path, "tools.json");
  }
  /** Whether there is no summary yet. */
  get isOpen(): boolean {
    return existsSync(this.path) && !existsSync(this.summary);
  }
  get summary(): string {
    return join(this.path, "summary.md");
  }
  /** The files of what was handed in. */
  get handedIn(): string[] {
    const names = ["events.jsonl", "explanations.json", "explanations.md", "log.md", "summary.md"];
    return names.map((name) => join(this.path, name));
  }
  get session(): string {
    return join(this.path, "session");
  }
  server(name: string): string {
    return join(this.path, "tools", name);
  }

  async make(question: string, servers: string): Promise<void> {
    for (const path of [this.path, this.artifacts]) mkdirSync(path, { recursive: true, mode: 0o700 });
    await writeWhole(this.servers, servers, 0o600);
    await writeWhole(join(this.path, "question.md"), `${question.trim()}\n`);
  }

  /** Writes the pages for people from what is on record. Doing it twice changes nothing. */
  async write(investigation: InvestigationRecord, events: readonly InvestigationEvent[]): Promise<void> {
    if (!existsSync(this.path)) return;
    const log = events
      .filter(({ kind }) => kind === "investigation.noted")
      .map(({ time, data }) => ({ time, ...(data as { text: string }) }));
    await writeWhole(join(this.path, "events.jsonl"), events.map((one) => `${JSON.stringify(one)}\n`).join(""));
    const { explanations } = investigation;
    await writeWhole(join(this.path, "log.md"), logPage(investigation, log));
    await writeWhole(join(this.path, "explanations.json"), `${JSON.stringify(explanations, null, 2)}\n`);
    await writeWhole(join(this.path, "explanations.md"), explanations.map(explanationText).join("\n"));
    const summary = summaryPage(investigation);
    if (summary !== null) await writeWhole(this.summary, summary);
  }

  /** Files of the artifacts, by path. */
  listArtifacts(): { path: string; size: number }[] {
    if (!existsSync(this.artifacts)) return [];
    return readdirSync(this.artifacts, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => ({ path: relative(this.artifacts, file), size: statSync(file).size }))
      .toSorted((one, other) => (one.path < other.path ? -1 : 1));
  }

  /** @throws RigorError `refused` for a name that is no file of the artifacts */
  checkArtifacts(names: readonly string[]): void {
    const known = new Set(this.listArtifacts().map(({ path }) => path));
    const missing = names.filter((name) => !known.has(relative(this.artifacts, resolve(this.artifacts, name))));
    if (missing.length === 0) return;
    const there = known.size === 0 ? "There is none yet." : `There are: ${[...known].slice(0, 50).join(", ")}.`;
    throw new RigorError("refused", `No such file among the artifacts: ${missing.join(", ")}.`, {
      next: `${there} Paths are from ${this.artifacts}${sep}.`,
    });
  }
}

function logPage({ number, question }: InvestigationRecord, log: readonly LogEntry[]): string {
  const entries = log.map(({ time, text }) => `## ${time}\n\n${text}\n`);
  return [`# Research log of investigation ${number}\n\n${question}\n`, ...entries].join("\n");
}

function explanationText(one: Explanation, index: number): string {
  const evidence = one.evidence.map((item) => `- ${item.kind}: ${evidenceText(item)} Source: ${closed(item.source)}`);
  return [
    `# Explanation ${index + 1}: ${one.behaviour}`,
    "",
    one.explanation,
    "",
    `Confidence: ${one.confidence}`,
    ...listed(
      "Components",
      one.components.map(({ name, part }) => `- ${name}: ${part}`),
    ),
    ...listed("Evidence", evidence),
    ...listed(
      "Other explanations",
      one.alternatives.map((other) => `- ${closed(other.explanation)} Against it: ${closed(other.against)}`),
    ),
    ...listed(
      "Limits",
      one.limits.map((limit) => `- ${limit}`),
    ),
    ...listed(
      "Artifacts",
      one.artifacts.map((path) => `- [${path}](artifacts/${path})`),
    ),
    "",
  ].join("\n");
}

const listed = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ["", `## ${title}`, "", ...lines];

/** A text as a sentence, also where its author has left the stop away. */
const closed = (text: string): string => text.replace(/[^.!?]$/, "$&.");

function evidenceText(item: Explanation["evidence"][number]): string {
  switch (item.kind) {
    case "intervention":
      return `${closed(item.changed)} Effect: ${closed(item.effect)} Control: ${closed(item.control ?? "none")}`;
    case "prediction":
      return `Predicted: ${closed(item.predicted)} Found: ${closed(item.found)} It ${item.held ? "held" : "did not hold"}.`;
    default:
      return closed(item.statement);
  }
}

function summaryPage({ number, question, summary, outcome, evidence, next }: InvestigationRecord): string | null {
  const head = `# Summary of investigation ${number}\n\n${question}\n\n`;
  if (summary !== null) {
    const title = summary.answered ? "Answer" : "No answer was found";
    return `${head}## ${title}\n\n${summary.answer}\n\n${summary.summary}\n`;
  }
  if (outcome === null) return null;
  return (
    [`${head}There is no answer: ${outcome}. ${evidence ?? ""}`, ...(next === null ? [] : [next])].join("\n\n") + "\n"
  );
}
