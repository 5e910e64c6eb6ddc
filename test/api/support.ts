import { request } from "node:http";
import { contract } from "../../packages/rigor/src/api/contract/contract.ts";
import type { DaemonFile } from "../../packages/rigor/src/api/contract/daemon-file.ts";
import { connect } from "../../packages/rigor/src/cli/daemon/client.ts";
import { eventually, TestLab } from "../chaos/lab.ts";

export interface Route {
  /** `experiments.start` */
  name: string;
  method: string;
  path: string;
  summary: string;
  takesInput: boolean;
}

/** Every route of the contract. */
export const routes: Route[] = Object.entries(contract).flatMap(([group, procedures]) =>
  Object.entries(procedures).map(([name, procedure]) => {
    const { route, inputSchema } = (procedure as (typeof contract)["system"]["backup"])["~orpc"];
    const { method = "", path = "", summary = "" } = route;
    return { name: `${group}.${name}`, method, path, summary, takesInput: inputSchema !== undefined };
  }),
);

export interface Asked {
  method?: string;
  /** Replace those that a client of ours sends; null leaves one away. */
  headers?: Record<string, string | null>;
  body?: string;
}

export interface Answered {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** What an error looks like in `/api`. */
export interface ErrorBody {
  code: string;
  status: number;
  message: string;
  data: { code: string; message: string; next: string | null };
}

/** One HTTP request as it is, with whatever headers: `fetch` does not let Host be set. */
export function ask(
  daemon: DaemonFile,
  path: string,
  { method = "GET", headers = {}, body }: Asked = {},
): Promise<Answered> {
  const { hostname, port, host } = new URL(daemon.address);
  const sent = { host, authorization: `Bearer ${daemon.token}`, "content-type": "application/json", ...headers };
  const given = Object.entries(sent).filter((entry): entry is [string, string] => entry[1] !== null);
  return new Promise((resolve, reject) => {
    const options = { hostname: hostname.replace(/^\[|\]$/g, ""), port, path, method, setHost: false, agent: false };
    const outgoing = request({ ...options, headers: Object.fromEntries(given) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.once("error", reject);
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** A request as a client of ours sends it, with its JSON answer. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what it expects, as with a cast
export async function call<Value>(
  daemon: DaemonFile,
  path: string,
  asked?: Asked,
): Promise<{ status: number; body: Value }> {
  const { status, text } = await ask(daemon, path, asked);
  return { status, body: JSON.parse(text) as Value };
}

export const post = (value: unknown): Asked => ({ method: "POST", body: JSON.stringify(value) });

export interface RunningLab {
  lab: TestLab;
  daemon: DaemonFile;
  client: ReturnType<typeof connect>;
}

/** A laboratory with a daemon that is ready. */
export async function startLab(environment: Record<string, string> = {}): Promise<RunningLab> {
  const lab = new TestLab({ environment });
  await lab.startReadyDaemon();
  const daemon = presentDaemon(lab);
  return { lab, daemon, client: connect(() => daemon) };
}

export function presentDaemon(lab: TestLab): DaemonFile {
  const file = lab.daemonFile();
  if (file === null) throw new Error("there is no daemon.json");
  return file;
}

/** Starts the experiment of a file and waits until it rests. */
export async function runToRest({ lab, client }: RunningLab, file: string): Promise<string> {
  const search_path = process.env["PATH"] ?? "";
  const { experiment } = await client.experiments.start({ file: `${lab.repository}/${file}`, search_path });
  await eventually("an experiment that rests", async () => {
    const { experiment: now } = await client.experiments.get({ reference: experiment.id });
    return now.state !== "running";
  });
  return experiment.id;
}
