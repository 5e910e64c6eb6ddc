import { quote } from "../../hosts/quote.ts";

/** Exit status of a batch's script that could not begin its member. No script of a member ends with it. */
export const notBegun = 78;

/** Lines of a script that load environment modules. */
export function moduleLines(modules: readonly string[]): string[] {
  if (modules.length === 0) return [];
  return [
    // `module` is a function of the shell; a shell that is no login shell gets it from where the system keeps it.
    "if ! command -v module >/dev/null; then",
    '  for file in "${MODULESHOME:-/nowhere}/init/sh" "${LMOD_PKG:-/nowhere}/init/sh" /etc/profile; do',
    '    if ! command -v module >/dev/null && [ -r "$file" ]; then . "$file"; fi',
    "  done",
    "fi",
    ...modules.map(
      (name) =>
        `module load ${quote(name)} || { printf 'The module %s cannot be loaded.\\n' ${quote(name)} >&2; exit ${notBegun}; }`,
    ),
  ];
}

/** A line of a script that goes to a directory. */
export const directoryLine = (directory: string): string =>
  `cd ${quote(directory)} || { printf 'The directory of the batch is missing.\\n' >&2; exit ${notBegun}; }`;
