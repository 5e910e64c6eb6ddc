/**
 * Runs a command in a sandbox of bubblewrap: `run.ts SETTINGS COMMAND...`. Stays outside, answers on the ports through
 * which the sandbox reaches its network, and ends as the command ends. When this process dies, so does the sandbox.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { mkdir, readFile, realpath } from "node:fs/promises";
import { Server } from "node:net";
import { constants as systemConstants, userInfo } from "node:os";
import { dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { OpenPort } from "./enter.ts";
import { findProgramKeys, mountArguments } from "./mounts.ts";
import { type Address, isLoopback, parseAddress, type Refusal, type SandboxPolicy } from "./policy.ts";
import { forward, serveProxy } from "./proxy.ts";
import { findProgram, toolchains } from "./toolchains.ts";

export interface RunSettings {
  /** Path of the program. */
  bwrap: string;
  /** What this version of it is asked for beyond {@link isolation}. */
  extra: string[];
  /**
   * Key files among the machine's programs. They are looked for once and not for each command: only its administrator puts
   * files there. Null where there are too many to be told.
   */
  programKeys: string[] | null;
  policy: SandboxPolicy;
}

const isolation = [
  ...["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"],
  ...["--cap-drop", "ALL", "--new-session", "--die-with-parent"],
];

/** Milliseconds between two looks at whether the process that started this one is still there. */
const parentInterval = 1_000;

async function run({ bwrap, extra, programKeys, policy }: RunSettings, command: string[]): Promise<number> {
  endWithParent();
  const addresses = policy.network.hosts.map(parseAddress);
  const temporary = join(policy.scratch, "tmp");
  await mkdir(temporary, { recursive: true });
  const enter = fileURLToPath(new URL(`./enter.${extension}`, import.meta.url));
  const node = await realpath(process.execPath);
  const program = await findProgram(command[0] ?? "", process.env["PATH"] ?? "");
  // What lies beside a program belongs to it.
  const beside = program === null ? [] : toolchains(dirname(await realpath(program)), userInfo().homedir);
  const shown = {
    ...policy,
    readable: [...policy.readable, ...beside],
    hidden: [...policy.hidden, ...(programKeys ?? (await findProgramKeys()))],
  };
  const mounts = await mountArguments(shown, [node, enter, ...(program === null ? [] : [program])]);
  const ports = addresses.filter(isLoopback).map(({ port }) => port);
  const inner = [node, enter, [...new Set(ports)].join(","), ...command];
  const child = spawn(bwrap, ["--args", "4", "--info-fd", "5", "--", ...inner], {
    stdio: ["inherit", "inherit", "inherit", "ipc", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: temporary },
    // A signal for this process's group is handed on, so that the command can end by itself.
    detached: true,
  });
  const streams: readonly unknown[] = child.stdio;
  handOnSignals(text(streams[5] as Readable));
  // Not as arguments, where the command would see which of its paths are hidden.
  const options = [...isolation, ...extra, ...mounts, "--chdir", policy.workspace];
  const pipe = streams[4] as Writable;
  // One that ends before it has read them says by its end what happened.
  pipe.on("error", () => undefined);
  pipe.end(options.map((option) => `${option}\0`).join(""));
  let open = 0;
  child.on("message", (message: OpenPort, handle) => {
    if (!(handle instanceof Server)) return;
    answer(message, handle, addresses, policy);
    open += 1;
    if (open === new Set(ports).size + 1) child.send("ready");
  });
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + systemConstants.signals[signal ?? "SIGKILL"];
}

const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";

function answer({ port }: OpenPort, server: Server, addresses: Address[], { refusals }: SandboxPolicy): void {
  if (port !== null) return forward(server, { host: "127.0.0.1", port });
  serveProxy(server, addresses, (address) => {
    if (refusals === undefined) return;
    const refusal: Refusal = { time: new Date().toISOString(), ...address };
    appendFileSync(refusals, `${JSON.stringify(refusal)}\n`);
  });
}

/** @param info what bwrap tells of the sandbox's first process, whose children are the command and what it left behind */
function handOnSignals(info: Promise<string>): void {
  const handOn = async (signal: NodeJS.Signals) => {
    const { "child-pid": first } = JSON.parse(await info) as { "child-pid": number };
    const children = await readFile(`/proc/${first}/task/${first}/children`, "utf8");
    for (const child of children.split(" ").filter(Boolean)) process.kill(Number(child), signal);
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    // Where the command cannot be told, all of the sandbox ends with this process.
    process.on(signal, () => void handOn(signal).catch(() => process.exit(128 + systemConstants.signals[signal])));
  }
}

function endWithParent(): void {
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, parentInterval).unref();
}

const [settings = "", ...command] = process.argv.slice(2);
process.exitCode = await run(JSON.parse(settings) as RunSettings, command);
process.exit();
