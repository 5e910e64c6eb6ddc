#!/usr/bin/env node
// Starts Rigor on a Node that can run it, whichever Node started this file. Must itself parse on Node 18.
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const neededMajor = 24;
const launcher = fileURLToPath(import.meta.url);
const packageDirectory = fileURLToPath(new URL("..", import.meta.url));

const [first] = process.argv.slice(2);
if (first === "--version" || first === "-v") {
  const { version } = /** @type {{ version: string }} */ (
    JSON.parse(readFileSync(`${packageDirectory}package.json`, "utf8"))
  );
  console.log(version);
} else if (Number.parseInt(process.versions.node, 10) >= neededMajor) {
  await start();
} else {
  await startOnPinnedNode();
}

/** Runs the source in a checkout, and the build where the package is installed. */
async function start() {
  const { enableCompileCache } = await import("node:module");
  enableCompileCache();
  const inCheckout = !/[\\/]node_modules[\\/]/.test(packageDirectory);
  const source = `${packageDirectory}src/cli/main.ts`;
  const build = `${packageDirectory}dist/cli/main.js`;
  const main = inCheckout && existsSync(source) ? source : build;
  if (!existsSync(main)) fail("the package is incomplete: it has no dist/cli/main.js", "Install it again.");
  await import(pathToFileURL(main).href);
}

/** Runs this file again on the Node that the package depends on, and ends as that process ends. */
async function startOnPinnedNode() {
  const { spawn } = await import("node:child_process");
  const node = await pinnedNode();
  const child = spawn(node, [launcher, ...process.argv.slice(2)], { stdio: "inherit" });

  // A terminal sends its signals to both processes: passing one on would deliver it twice. Without a terminal only
  // this process gets them. Either way it must live until the child has ended.
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  /** @param {NodeJS.Signals} signal */
  const passOn = (signal) => {
    if (!onTerminal || signal === "SIGTERM") child.kill(signal);
  };
  for (const signal of ["SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM"]) process.on(signal, passOn);

  child.on("error", (error) => fail(`${node} does not start (${error.message})`, installAdvice()));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** The program inside the package `node`, on which Rigor depends. */
async function pinnedNode() {
  const { createRequire } = await import("node:module");
  try {
    const manifest = createRequire(import.meta.url).resolve("node/package.json");
    const program = realpathSync(join(dirname(manifest), "bin", process.platform === "win32" ? "node.exe" : "node"));
    // Were this that program already, starting it again would never end.
    if (program !== realpathSync(process.execPath)) return program;
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (code !== "MODULE_NOT_FOUND" && code !== "ENOENT") throw error;
  }
  return fail(
    `this is Node ${process.versions.node}, and the Node ${neededMajor} that comes with Rigor is missing`,
    installAdvice(),
  );
}

function installAdvice() {
  return [
    `Run it with Node ${neededMajor} or newer, or let npm install the package \`node\`:`,
    "its install script must run (no --ignore-scripts; from npm 12 on `npm install-scripts approve node`).",
  ].join(" ");
}

/**
 * @param {string} what
 * @param {string} next
 * @returns {never}
 */
function fail(what, next) {
  console.error(`rigor: ${what}.\n${next}`);
  process.exit(1);
}
