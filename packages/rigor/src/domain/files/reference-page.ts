import { experimentSchema } from "./experiment-schema.ts";
import { referenceTable } from "./reference.ts";
import { settingsSchema } from "./settings.ts";

/** The text of docs/experiment-file.md: rules by hand, tables from the schemas. */
export function experimentFilePage(): string {
  return `<!-- Written by scripts/generate-docs.ts from the schemas in packages/rigor/src/domain/files. Change those. -->

# The experiment file

An experiment file is one YAML 1.2 mapping. It is checked before anything runs: unknown keys, repeated keys, repeated
seeds and names that lead nowhere are errors with line, column and what is allowed. Tags, merge keys (\`<<\`) and
several documents in one file are not read. Aliases for whole values are.

## Keys

\`NAME\` stands for any name, \`[]\` for each entry of a list.

${referenceTable(experimentSchema)}

## Units

- Sizes: \`1GB\` is 1000^3 bytes, \`1GiB\` is 1024^3 bytes; a plain number is bytes.
- Durations: \`90\` (seconds), \`10m\`, \`1h30m\`, \`2d\`, \`01:30:00\`.
- Seeds: \`[0, 1, 2]\`, or \`{ count: 5, from: 0 }\` for 0 to 4. Each is a whole number of at least 0.

## Runs

A cell is one arm on one task with one combination of the grid in \`parameters\`. A run is a cell with one seed. A run
gets the parameters of its arm, its task and the grid together, so the same name may not be set in two of these places.
A run that several stages ask for happens once.

A stage that passes by its metrics selects on the outcome. It may therefore not share runs with the last stage, which
is the one that decides.

Two runs are the same run, and share one result, when these agree: the committed content of \`code\`, \`run\`, arm and
task by name (they reach the run as \`RIGOR_ARM\` and \`RIGOR_TASK\`), the parameters, the seed, the content of \`inputs\`,
\`environment\` (manager, content of the lock, setup, variables), the runs that it needs, \`outputs.result\`, and the
artifacts that it is to keep.

## Placeholders in \`run\`

| Placeholder | Value |
| --- | --- |
| \`{seed}\` | The seed. |
| \`{arm}\`, \`{task}\` | Names of the arm and the task. |
| \`{parameters.NAME}\` | A parameter that every run has. Text as it is, anything else as JSON. |
| \`{inputs.NAME}\` | Path of an input. |
| \`{needs.NAME}\` | Directory with the outputs of a run that is needed; empty text for arms without the need. |
| \`{output}\` | Directory into which the run writes. |
| \`{run_id}\`, \`{attempt}\` | The id of the run, and the number of the attempt, from 1. |
| \`{resume}\` | Directory with the checkpoints of the newest interrupted attempt that left any; empty on a fresh start. |

- \`run\` as text is a command for \`/bin/sh\`. Each placeholder becomes exactly one quoted argument, or part of one,
  whatever it contains and whatever quotes stand around it.
- \`run\` as a list is a program and its arguments. No shell reads it, and every argument is passed exactly.
- All other braces are left alone: \`\${HOME}\`, \`\${seed}\` (a shell variable), \`{a,b}\`, \`\\{seed}\`. \`{{seed}}\` gives
  the text \`{seed}\`.
- A placeholder is refused where it cannot be quoted safely: inside \`$( )\`, backquotes, here-documents and comments, and
  after constructs whose quotes shells read differently. Use the environment variable there, such as \`$RIGOR_SEED\`.
- Text that a second shell reads (\`sh -c "..."\`, \`eval\`, \`ssh host "..."\`) is quoted for the first shell only. Pass
  such values as arguments or environment variables.

# The settings file \`rigor.yaml\`

${referenceTable(settingsSchema)}
`;
}
