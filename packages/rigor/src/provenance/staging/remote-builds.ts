import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RigorError } from "../../domain/errors.ts";
import type { Environment } from "../../domain/experiment.ts";
import { quote } from "../../hosts/quote.ts";
import { withoutSecrets } from "../build-command.ts";
import { buildFailure, keptLines } from "../build-failure.ts";
import {
  buildLog,
  buildVariables,
  describeBuild,
  inheritedVariables,
  passedVariables,
  requireTool,
} from "../environment-build.ts";
import type { EnvironmentSource } from "../environment-identity.ts";
import { completeText, parseComplete, type EnvironmentRecord } from "../environment-record.ts";
import type { BuildPlan, EnvironmentManager } from "../environments/manager.ts";
import { environmentManagers } from "../environments/registry.ts";
import type { Machine } from "../machines/machine.ts";
import { buildsDirectory, buildScript, hiddenText, variablesScript } from "./build-script.ts";
import { lookScript, readSight, type Sight } from "./build-sight.ts";
import { tarArchive, tarText } from "./tar.ts";
import { withTreeEntries } from "./tree-archive.ts";
import { freshPath, longTimeout, type WorkDirectory } from "./work-directory.ts";

export interface BuildRequest {
  /** On this machine. */
  repository: string;
  commit: string;
  environment: Environment;
  source: EnvironmentSource;
  plan: BuildPlan;
  say: (what: string, logFile: string | null) => void;
  /** Told each line of the build. */
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** Seconds between two looks at a build, at first and at most. */
const pollEvery = { first: 0.2, most: 5 };

/** Seconds without a sign of life after which a build of another host counts as dead. */
const silentFor = 120;

/** Seconds in which a build that was started must begin. */
const beginsWithin = 60;

/** Builds whose process may die before it is given up. */
const mostDeaths = 2;

/**
 * The making of one environment on a host: a build that lives is waited for, whoever began it; otherwise one is begun.
 * Between two looks nothing is remembered that the host does not know, so that a lost connection loses nothing.
 */
export class RemoteBuilds {
  readonly #directory: WorkDirectory;
  readonly #machine: Machine;
  readonly #request: BuildRequest;
  readonly #manager: EnvironmentManager;
  /** Number of the build that was begun or seen to run; its failure is ours. */
  #watched = 0;
  /** When that build was begun, or last seen to change; seconds. */
  #lastSign = 0;
  #lastBeat = "";
  #deaths = 0;
  /** Lines of the log of the last build that were told. */
  #told = { number: 0, lines: 0 };

  constructor(directory: WorkDirectory, machine: Machine, request: BuildRequest) {
    this.#directory = directory;
    this.#machine = machine;
    this.#request = request;
    this.#manager = environmentManagers[request.source.manager];
  }

  /** Waits until the environment is complete, and returns what is in it. */
  async record(): Promise<EnvironmentRecord> {
    const { signal, say } = this.#request;
    for (let pause = pollEvery.first, told = false; ; pause = Math.min(pollEvery.most, pause * 1.5)) {
      const sight = await this.#look();
      if (sight.state === "complete") return this.#read(sight.text);
      if (sight.state === "ended" && sight.status === 0) return this.#complete(sight);
      if (sight.state === "ended" && sight.number === this.#watched) throw await this.#failure(sight);
      if (!told) say(`building the ${this.#manager.name} environment on ${this.#directory.host}`, this.#log);
      told = true;
      if (await this.#mustBegin(sight)) {
        await this.#begin(sight.number + 1);
        pause = pollEvery.first;
      }
      await sleep(pause * 1000, undefined, signal === undefined ? {} : { signal });
    }
  }

  /** Of the last build, for people. */
  get #log(): string {
    return this.#directory.named(buildLog(this.#request.plan.directory));
  }

  async #look(): Promise<Sight> {
    const script = lookScript(this.#request.plan.directory, this.#told);
    const answer = await this.#directory.run({ what: "looking at the environment", script });
    const sight = readSight(answer, this.#directory.host);
    if ("lines" in sight) this.#tell(sight);
    return sight;
  }

  #tell({ number, lines }: { number: number; lines: readonly string[] }): void {
    if (this.#told.number !== number) this.#told = { number, lines: 0 };
    this.#told.lines += lines.length;
    for (const line of lines) this.#request.log(withoutSecrets(line, this.#secrets));
  }

  get #secrets(): string[] {
    return Object.values(passedVariables(this.#request.environment));
  }

  #read(text: string): EnvironmentRecord {
    try {
      return parseComplete(text);
    } catch (cause) {
      const path = this.#directory.named(this.#request.plan.directory);
      throw new RigorError("environment", `${path}/complete.json cannot be read`, {
        next: "Remove the directory there; it is built again when it is needed.",
        cause,
      });
    }
  }

  /** Whether nothing that lives makes the environment. */
  async #mustBegin(sight: Exclude<Sight, { state: "complete" }>): Promise<boolean> {
    if (sight.number < this.#watched) {
      if (now() - this.#lastSign < beginsWithin) return false;
      throw new RigorError("environment", `a build on ${this.#directory.host} did not begin`, {
        next: "Look whether processes that are left running after a login are ended there.",
      });
    }
    if (sight.state !== "building") return true;
    this.#watched = sight.number;
    const sign = `${sight.number} ${sight.beat}`;
    if (sign !== this.#lastBeat) [this.#lastBeat, this.#lastSign] = [sign, now()];
    const silent = sight.witness === "elsewhere" && now() - this.#lastSign > silentFor;
    if (sight.witness !== "dead" && !silent) return false;
    this.#deaths += 1;
    if (this.#deaths <= mostDeaths) return true;
    throw buildFailure({
      step: "the build",
      end: `its process ended without a word, ${this.#deaths} times`,
      last_lines: await this.#lastLines(),
      log: this.#log,
    });
  }

  /** Starts a build that goes on without us. It does nothing when another one has the number. */
  async #begin(number: number): Promise<void> {
    const { repository, commit, environment, source, plan } = this.#request;
    const tool = await requireTool(this.#manager, this.#machine);
    const build = {
      number,
      directory: plan.directory,
      source: plan.source,
      commands: this.#manager.commands(plan, tool),
      variables: buildVariables(environment, plan),
      path_prefix: this.#manager.variables(plan).path_prefix,
    };
    const texts = [
      tarText("build.sh", buildScript(build)),
      tarText("variables.sh", variablesScript(build)),
      tarText("hidden", hiddenText(this.#secrets)),
    ];
    const tree = { repository, commit, paths: source.exported, prefix: "source/" };
    await withTreeEntries(tree, async (entries) => {
      const input = () => tarArchive([...texts, ...entries]);
      const script = startScript(plan.directory);
      await this.#directory.run({ what: "starting a build", script, input, timeout: longTimeout, untouched: true });
    });
    [this.#watched, this.#lastSign] = [number, now()];
  }

  /** What was installed is asked for here, and not by the build: it is read by the same code as on this machine. */
  async #complete(sight: Extract<Sight, { state: "ended" }>): Promise<EnvironmentRecord> {
    const { plan } = this.#request;
    const times = { built_at: new Date(sight.began * 1000), seconds: sight.ended - sight.began };
    const record = await describeBuild(plan, this.#manager, this.#machine, times);
    const text = Buffer.from(completeText(record));
    // A lost connection ends the input, too. Of several records at once the first one stays, for all who ask.
    const script = `complete=${quote(join(plan.directory, "complete.json"))}
next=${freshPath(join(plan.directory, "complete.json"))}
cat >"$next"
[ "$(wc -c <"$next")" -eq ${text.length} ] || exit 1
ln "$next" "$complete" 2>/dev/null || [ -e "$complete" ] || mv -f "$next" "$complete"
rm -f "$next"
cat "$complete"`;
    const step = { what: "recording what was installed", script, input: () => [text] };
    return this.#read(await this.#directory.run(step));
  }

  async #failure({ step, status }: Extract<Sight, { state: "ended" }>): Promise<RigorError> {
    const tool = await requireTool(this.#manager, this.#machine);
    const command = this.#manager.commands(this.#request.plan, tool)[step - 1]?.join(" ");
    return buildFailure({
      step: command === undefined ? "preparing its files" : withoutSecrets(command, this.#secrets),
      end: status > 128 ? `killed by signal ${status - 128}` : `exit status ${status}`,
      last_lines: await this.#lastLines(),
      log: this.#log,
    });
  }

  async #lastLines(): Promise<string[]> {
    const script = `tail -n ${keptLines} ${quote(buildLog(this.#request.plan.directory))} 2>/dev/null || :`;
    const text = await this.#directory.run({ what: "reading the log of a build", script });
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => withoutSecrets(line, this.#secrets));
    // What the build itself added says nothing that the message does not say.
    return lines.filter((line) => !/^(\$ |exit status \d+$)/.test(line));
  }
}

/**
 * Unpacks a build into a directory of its own, and starts it in a session of its own, with the variables that a build
 * may see. Nothing of the connection stays with it.
 */
export const startScript = (directory: string): string => `draft=${freshPath(join(buildsDirectory(directory), "draft"))}
mkdir -p "$draft"
cd "$draft"
tar -xzf -
set --
for name in ${inheritedVariables.join(" ")}; do
  eval "value=\\\${$name-}"
  if [ -n "$value" ]; then set -- "$@" "$name=$value"; fi
done
set -- env -i "$@" /bin/sh ./build.sh
if command -v setsid >/dev/null 2>&1; then set -- setsid "$@"; fi
(
  trap '' HUP
  exec "$@" </dev/null >/dev/null 2>&1
) </dev/null >/dev/null 2>&1 &`;

const now = (): number => performance.now() / 1000;
