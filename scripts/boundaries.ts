import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "..");
const sources = ["packages/*/src/**/*.ts", "packages/*/helpers/*.ts"];

/** What dependency-cruiser's JSON report says, as far as it is read here. */
interface Report {
  modules: { source: string }[];
  summary: {
    violations: { rule: { name: string }; from: string; to: string }[];
    ruleSetUsed: { forbidden: { name: string; comment: string }[] };
  };
}

/** Each import below `directory` that crosses a boundary, and each source file that was not looked at. */
export async function boundaryProblems(directory: string): Promise<string[]> {
  const files = sources.flatMap((pattern) => globSync(pattern, { cwd: directory }));
  if (files.length === 0) return [`no source file was found below ${directory}: the check would prove nothing`];
  const report = await cruise(directory);
  const seen = new Set(report.modules.map((module) => module.source));
  const unseen = files.filter((file) => !seen.has(file)).map((file) => `${file} was not read by dependency-cruiser`);
  const reasons = new Map(report.summary.ruleSetUsed.forbidden.map((rule) => [rule.name, rule.comment]));
  const crossings = report.summary.violations.map(
    ({ rule, from, to }) => `${from} imports ${to}: ${reasons.get(rule.name)} [${rule.name}]`,
  );
  return [...unseen, ...crossings];
}

async function cruise(directory: string): Promise<Report> {
  const program = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const options = ["--config", join(root, ".dependency-cruiser.mjs"), "--no-cache", "--output-type", "json"];
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...options, "packages"], {
    cwd: directory,
    maxBuffer: 256 * 2 ** 20,
  });
  return JSON.parse(stdout) as Report;
}

if (import.meta.main) {
  const problems = await boundaryProblems(process.cwd());
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
