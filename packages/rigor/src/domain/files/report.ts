import { pathText } from "./explain.ts";
import type { Problems } from "./problems.ts";
import type { Path, Source } from "./source.ts";
import { suggestion } from "./suggest.ts";

/** Reports problems at paths of the file. */
export class References {
  readonly #source: Source;
  readonly #problems: Problems;

  constructor(source: Source, problems: Problems) {
    this.#source = source;
    this.#problems = problems;
  }

  problem(path: Path, text: string, part: "key" | "value" = "value"): void {
    const at = part === "key" ? this.#source.keyAt(path) : this.#source.valueAt(path);
    this.#problems.add(at, path.length === 0 ? text : `${pathText(path)}: ${text}`);
  }

  /** Reports a name that is not among the defined ones. */
  known(path: Path, kind: string, name: string, defined: readonly string[], part: "key" | "value" = "value"): void {
    if (defined.includes(name)) return;
    const meant = suggestion(name, defined);
    this.problem(path, `there is no ${kind} \`${name}\`${meant} (allowed: ${defined.join(", ")})`, part);
  }

  /** `line 3, column 5` */
  place(path: Path): string {
    const { line, column } = this.#source.keyAt(path);
    return `line ${line}, column ${column}`;
  }
}
