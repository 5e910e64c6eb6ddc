/**
 * Runs every check of the workspace and prints one line for each; what a failed one said follows below.
 * `npm run check -- lint types` runs only these.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";

/** The checks, slowest first so that two cores are busy to the end, and what to do when one fails. */
const checks = {
  lint: "correct what is named below",
  types: "correct what is named below",
  unused: "delete what is not used, or use it",
  boundaries: "import only what stands below (ARCHITECTURE.md), or move the code",
  clones: "say it once, in a function that both places call",
  format: "run `npm run format`",
};

interface Outcome {
  passed: boolean;
  seconds: number;
  output: string;
}

function runCheck(name: string): Promise<Outcome> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn("npm", ["run", "--silent", `check:${name}`], { stdio: ["ignore", "pipe", "pipe"] });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", (code) =>
      resolve({
        passed: code === 0,
        seconds: (performance.now() - started) / 1000,
        output: Buffer.concat(chunks).toString("utf8").trim(),
      }),
    );
  });
}

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in checks));
if (unknown.length > 0) {
  console.error(`No check is called ${unknown.join(", ")}. There are: ${Object.keys(checks).join(", ")}.`);
  process.exit(2);
}

const queue = Object.entries(checks).filter(([name]) => chosen.length === 0 || chosen.includes(name));
const failures: string[] = [];
await Promise.all(
  Array.from({ length: Math.min(queue.length, availableParallelism()) }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [name, advice] = next;
      const { passed, seconds, output } = await runCheck(name);
      const line = `${name.padEnd(12)}${passed ? "ok    " : "FAILED"} ${seconds.toFixed(1).padStart(6)} s`;
      console.log(passed ? line : `${line}   ${advice}`);
      if (!passed) failures.push(`--- ${name} (npm run check:${name})\n${output}`);
    }
  }),
);
for (const failure of failures) console.error(`\n${failure}`);
process.exitCode = failures.length === 0 ? 0 : 1;
