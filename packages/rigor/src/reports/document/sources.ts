import { groupBy } from "../../statistics/places.ts";
import type { DocumentFacts } from "./facts.ts";
import { placeOfRun, type Measured, type SourceRun } from "./values.ts";

/** What one number of the document rests on, once however often it is shown. */
export interface Source extends Pick<Measured, "about" | "runs"> {
  /** Counts from 1 in the order of the text. */
  number: number;
}

/** Collects them while a document is resolved. */
export class Sources {
  readonly #all = new Map<string, Source>();

  of({ about, runs }: Pick<Measured, "about" | "runs">): Source {
    const known = this.#all.get(about);
    if (known !== undefined) return known;
    const source = { about, runs, number: this.#all.size + 1 };
    this.#all.set(about, source);
    return source;
  }

  get all(): readonly Source[] {
    return [...this.#all.values()];
  }
}

/** The runs of a source by the cell that they are of, as `ours on sst2`. */
export function runsByCell({ runs }: Source, facts: DocumentFacts): [cell: string, runs: SourceRun[]][] {
  const cells = new Map(facts.runs.map((run) => [run.run_id, placeOfRun(run)]));
  return [...groupBy(runs, ({ run_id }) => cells.get(run_id) ?? "")];
}
