import { basename, join, relative } from "node:path";
import { readHelper, readTemplate } from "../templates.ts";
import { nodeRunsTypeScript, type Findings, type Repository } from "./repository.ts";

/** A file to write, unless it exists. */
export interface NewFile {
  path: string;
  text: string;
}

/** Directory of the first experiment. */
export function experimentDirectory({ directory }: Pick<Repository, "directory">): string {
  return join(directory, "experiments", "first");
}

/** The settings, and a first experiment that runs in this repository. */
export async function newFiles(
  repository: Repository,
  findings: Findings,
): Promise<{ settings: NewFile; first: NewFile[] }> {
  const directory = experimentDirectory(repository);
  const code = findings.language === "python" ? await pythonFiles() : await nodeFiles(repository.directory);
  const place = relative(repository.root, directory);
  const experiment = fill(await readTemplate("first/experiment.yaml"), {
    file: join(place, "experiment.yaml"),
    name: firstName(repository),
    code: yamlText(place),
    environment: environmentText(findings),
    run: runText(code.program, join(place, code.script)),
  });
  return {
    settings: { path: join(repository.root, "rigor.yaml"), text: await readTemplate("rigor.yaml") },
    first: [{ name: "experiment.yaml", text: experiment }, ...code.files].map(({ name, text }) => ({
      path: join(directory, name),
      text,
    })),
  };
}

/** Names are those of a whole lab: another repository's first experiment has another one. */
function firstName({ directory }: Repository): string {
  const words = basename(directory).match(/[A-Za-z0-9]+/g) ?? [];
  return ["first", ...words].join("-").slice(0, 100);
}

interface Code {
  program: string;
  script: string;
  files: { name: string; text: string }[];
}

async function pythonFiles(): Promise<Code> {
  const files = [
    { name: "run.py", text: await readTemplate("first/run.py") },
    { name: "rigor.py", text: await readHelper("rigor.py") },
  ];
  return { program: "python3", script: "run.py", files };
}

/**
 * TypeScript where `node` runs it, else JavaScript. The `m` of the names makes them modules
 * whatever the package.json above them says.
 */
async function nodeFiles(directory: string): Promise<Code> {
  const program = await readTemplate("first/run.mts.txt");
  const typed = await nodeRunsTypeScript(directory);
  const extension = typed ? "mts" : "mjs";
  const helper = typed
    ? (await readHelper("rigor.ts")).replaceAll("./rigor.ts", "./rigor.mts")
    : await readTemplate("first/rigor.mjs.txt");
  const files = [
    { name: `run.${extension}`, text: program.replaceAll("./rigor.mts", `./rigor.${extension}`) },
    { name: `rigor.${extension}`, text: helper },
  ];
  return { program: "node", script: `run.${extension}`, files };
}

function environmentText({ environment: { manager, lock }, remark }: Findings): string {
  const value = lock === null ? `{ manager: ${manager} }` : `{ manager: ${manager}, lock: ${yamlText(lock)} }`;
  return remark === null ? value : `${value} # ${remark}`;
}

/** A shell reads the command unless a path needs quotes; then it is a list of arguments, which no shell reads. */
function runText(program: string, script: string): string {
  return /^[\w./-]+$/.test(script) ? `${program} ${script}` : `[${program}, ${yamlText(script)}]`;
}

/** A path as YAML takes it anywhere; JSON texts are YAML. */
function yamlText(text: string): string {
  return /^[A-Za-z0-9_][\w./-]*$/.test(text) ? text : JSON.stringify(text);
}

function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{\{(\w+)\}\}/g, (whole, name: string) => values[name] ?? whole);
}
