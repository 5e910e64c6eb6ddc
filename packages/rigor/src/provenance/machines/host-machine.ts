import { RigorError } from "../../domain/errors.ts";
import { quote } from "../../hosts/quote.ts";
import type { Answer, HostShell } from "../../hosts/shell.ts";
import type { Machine, MachineFacts } from "./machine.ts";

/** Node's names for what `uname` says. */
const systems: Readonly<Record<string, string>> = { Linux: "linux", Darwin: "darwin", FreeBSD: "freebsd" };
const processors: Readonly<Record<string, string>> = {
  x86_64: "x64",
  amd64: "x64",
  aarch64: "arm64",
  i386: "ia32",
  i686: "ia32",
  armv7l: "arm",
  ppc64le: "ppc64",
};

/** Seconds for a program that says its version, or for files that lie on a slow disk. */
const patience = 120;

/** A machine that is asked through its shell. */
export class HostMachine implements Machine {
  readonly #shell: HostShell;
  #facts: Promise<MachineFacts> | null = null;

  constructor(shell: HostShell) {
    this.#shell = shell;
  }

  get host(): string {
    return this.#shell.host;
  }

  /** Asked once: a machine does not change them. */
  async facts(): Promise<MachineFacts> {
    this.#facts ??= this.#askFacts();
    try {
      return await this.#facts;
    } catch (error) {
      this.#facts = null;
      throw error;
    }
  }

  async printed(program: string, args: readonly string[]): Promise<string | null> {
    const { status, stdout } = await this.#run(`exec ${[program, ...args].map(quote).join(" ")} 2>/dev/null`);
    return status === 0 ? stdout.toString("utf8").trim() : null;
  }

  async firstOnPath(programs: readonly string[]): Promise<string | null> {
    const { stdout } = await this.#run(`for program in ${programs.map(quote).join(" ")}; do
  if command -v "$program" >/dev/null 2>&1; then
    printf %s "$program"
    break
  fi
done`);
    return stdout.length === 0 ? null : stdout.toString("utf8");
  }

  async existing(paths: readonly string[]): Promise<string[]> {
    const input = Buffer.from(paths.map((path) => `${path}\0`).join(""));
    // The names come back, so that nothing depends on how many fit into one command.
    const test = 'for path; do if [ -e "$path" ]; then printf "%s\\0" "$path"; fi; done';
    const { stdout } = await this.#run(`exec xargs -0 sh -c ${quote(test)} sh`, input);
    const found = new Set(stdout.toString("utf8").split("\0"));
    return paths.filter((path) => found.has(path));
  }

  async readText(path: string): Promise<string | null> {
    const { status, stdout, stderr } = await this.#run(`[ -e ${quote(path)} ] || exit 66\nexec cat ${quote(path)}`);
    if (status === 66) return null;
    if (status === 0) return stdout.toString("utf8");
    throw new RigorError("storage", `${path} on ${this.host} cannot be read: ${stderr.trim()}`);
  }

  async readTexts(directory: string, ending: string): Promise<string[]> {
    // A byte that no text has stands between two files.
    const { stdout } = await this.#run(`cd ${quote(directory)} 2>/dev/null || exit 66
for file in *${quote(ending)}; do
  if [ -f "$file" ]; then
    cat "./$file"
    printf '\\000'
  fi
done`);
    return stdout.toString("utf8").split("\0").slice(0, -1);
  }

  async #askFacts(): Promise<MachineFacts> {
    const { stdout } = await this.#run("uname -n; uname -s; uname -m");
    const [name = "", os = "", arch = ""] = stdout.toString("utf8").split("\n");
    return { name, os: systems[os] ?? os.toLowerCase(), arch: processors[arch] ?? arch };
  }

  #run(script: string, input?: Buffer): Promise<Answer> {
    return this.#shell.run(script, { timeout: patience, ...(input === undefined ? {} : { input }) });
  }
}
