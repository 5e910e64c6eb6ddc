import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { DoctorCheck } from "../contract/views/daemon.ts";
import type { Sandbox } from "../../agents/sandbox/sandbox.ts";
import { bytes } from "../../domain/format/numbers.ts";
import { freeSpace } from "../../compute/placement/resources.ts";
import { checkDaemons } from "./daemons.ts";
import { lackingDisk } from "./progress.ts";
import { RigorError } from "../../domain/errors.ts";
import { compareWithLog } from "../../store/rebuild.ts";
import type { Lab } from "../../bench/lab/lab.ts";

const run = promisify(execFile);

interface Tool {
  name: string;
  args: string[];
  required: boolean;
  remedy: string;
}

const tools: Tool[] = [
  { name: "git", args: ["--version"], required: true, remedy: "Install git: runs are made from commits." },
  { name: "python3", args: ["--version"], required: false, remedy: "Install Python for experiments with pip." },
  { name: "npm", args: ["--version"], required: false, remedy: "Install npm for experiments with npm environments." },
  { name: "uv", args: ["--version"], required: false, remedy: "Install uv for experiments with uv environments." },
  {
    name: "conda",
    args: ["--version"],
    required: false,
    remedy: "Install conda for experiments with conda environments.",
  },
  {
    name: "nvidia-smi",
    args: ["--query-gpu=name", "--format=csv,noheader"],
    required: false,
    remedy: "Without it no GPU is leased.",
  },
];

const leastFree = 1e9;
const leastInodes = 10_000;

/** Checks of the machine, the tools and the data, each with what to do when it fails. */
export async function diagnose(lab: Lab, sandbox: () => Promise<Sandbox>): Promise<DoctorCheck[]> {
  const checks = await Promise.all(tools.map(checkTool));
  return [
    ...checks,
    ...(await checkSandbox(sandbox)),
    ...(await checkMachine(lab)),
    await checkLog(lab),
    ...(await checkDaemons(lab)),
  ];
}

/** What the commands of agents cannot do on this machine, and what they can. */
async function checkSandbox(sandbox: () => Promise<Sandbox>): Promise<DoctorCheck[]> {
  let tried: Sandbox;
  try {
    tried = await sandbox();
  } catch (error) {
    if (!(error instanceof RigorError)) throw error;
    const remedy = error.next ?? null;
    return [{ name: "agents: sandbox", ok: false, required: false, found: error.message, remedy }];
  }
  const { protections, missing } = tried;
  return protections.map(({ name, holds, found, remedy }) => ({
    name: `agents: ${name}`,
    ok: holds,
    required: false,
    found: missing === undefined || holds ? found : `${found} ${missing.reason}`,
    remedy: holds ? null : (missing?.next ?? remedy ?? null),
  }));
}

async function checkTool({ name, args, required, remedy }: Tool): Promise<DoctorCheck> {
  try {
    const { stdout } = await run(name, args, { timeout: 10_000 });
    return { name, ok: true, required, found: stdout.trim().split("\n").join(", "), remedy: null };
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const found = missing
      ? "not found"
      : `does not work: ${error instanceof Error ? error.message.split("\n")[0] : ""}`;
    return { name, ok: false, required, found, remedy };
  }
}

async function checkMachine(lab: Lab): Promise<DoctorCheck[]> {
  const capacity = await lab.lanes.here.probe(0);
  const lacking = lackingDisk(lab);
  const space = freeSpace(lab.data.root);
  const roomy = lacking === null && space.bytes >= leastFree && space.inodes >= leastInodes;
  return [
    {
      name: "machine",
      ok: true,
      required: true,
      found: `${capacity.cpus} CPUs, ${bytes(capacity.memory_total)} memory, ${capacity.gpus.length} GPUs`,
      remedy: null,
    },
    {
      name: "disk",
      ok: roomy,
      required: true,
      found: lacking ?? `${bytes(space.bytes)} and ${space.inodes} files free in ${lab.data.root}`,
      remedy: roomy ? null : "Free some space: no run starts on a full disk.",
    },
  ];
}

async function checkLog(lab: Lab): Promise<DoctorCheck> {
  const differences = await compareWithLog(lab.store);
  const ok = differences.length === 0;
  return {
    name: "log",
    ok,
    required: true,
    found: ok ? "the tables equal what the log gives" : `${differences.length} rows differ from what the log gives`,
    remedy: ok ? null : "Make a backup (`rigor backup`), and report this with the daemon's log.",
  };
}
