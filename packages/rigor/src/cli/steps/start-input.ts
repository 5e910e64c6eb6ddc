import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { StartInput } from "../../api/contract/contract.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";

/** What `plan` and `run` ask for. @throws RigorError `not-found` or `usage` if the file cannot be an experiment file. */
export function startInput(context: Context, invocation: Invocation): StartInput {
  const file = resolve(invocation.required(0));
  if (!existsSync(file)) {
    throw new RigorError("not-found", `There is no file ${file}.`, {
      next: "Name an experiment file, or let `rigor init` write a first one.",
    });
  }
  const kind = statSync(file);
  if (kind.isDirectory()) {
    throw new RigorError("usage", `${file} is a directory.`, {
      next: "Name the experiment file in it, often experiment.yaml.",
    });
  }
  if (!kind.isFile()) {
    throw new RigorError("usage", `${file} is no ordinary file.`, {
      next: "Write the experiment to a file in its repository: a run again, and `rigor rerun`, read it from there.",
    });
  }
  const maxRuns = invocation.number("maxRuns");
  const compute = invocation.list("compute");
  if (maxRuns !== undefined && maxRuns < 1) throw invocation.usageError("--max-runs must be at least 1.");
  return {
    file,
    search_path: context.environment["PATH"] ?? "",
    ...(maxRuns === undefined ? {} : { max_runs: maxRuns }),
    ...(compute === undefined ? {} : { compute }),
  };
}
