import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { contract } from "../../packages/rigor/src/api/contract/contract.ts";
import type { Client } from "../../packages/rigor/src/api/contract/contract.ts";
import { eventually, experimentFile } from "../chaos/lab.ts";
import { ask, runToRest, startLab, type ErrorBody, type RunningLab } from "./support.ts";

const script = `printf '{"metrics": {"loss": %d.5}}' "$1" > "$RIGOR_OUTPUT/result.json"`;

type Logged = Awaited<ReturnType<Client["events"]["stream"]>> extends AsyncIterable<infer Event> ? Event : never;

let running: RunningLab;
/** Every event of the log, in order. */
let all: Logged[];
let first: string;
beforeAll(async () => {
  running = await startLab();
  const grid = { parameters: { p: { values: Array.from({ length: 40 }, (_, index) => index) } } };
  running.lab.commit({
    "run.sh": script,
    "many.yaml": experimentFile({ name: "many", ...grid, seeds: [1, 2, 3] }),
    "few.yaml": experimentFile({ name: "few", seeds: [7], run: "sh run.sh {seed} few" }),
    "shared.yaml": experimentFile({ name: "shared", seeds: [7, 8], run: "sh run.sh {seed} few" }),
    "late.yaml": experimentFile({ name: "late", seeds: [9] }),
  });
  // 240 runs that are made and cancelled: more events than one read of the log gives.
  const search_path = process.env["PATH"] ?? "";
  await running.client.experiments.start({ file: `${running.lab.repository}/many.yaml`, search_path });
  await running.client.experiments.cancel({ reference: "many" });
  first = await runToRest(running, "few.yaml");
  await runToRest(running, "shared.yaml");
  await eventually("attempts that have all ended", async () => {
    const { hosts } = await running.client.system.status();
    return hosts.every((host) => host.cpus_used === 0);
  });
  const [last] = running.lab.look<{ position: number }>("select max(position) as position from events");
  all = await take(
    await running.client.events.stream({ after: 0 }),
    (events) => events.at(-1)?.position === last?.position,
  );
});
afterAll(() => running.lab.remove());

/** What a stream gives until that is enough, and then until nothing comes for a while. */
async function take(
  stream: AsyncIterable<Logged>,
  isEnough: (events: readonly Logged[]) => boolean,
): Promise<Logged[]> {
  const events: Logged[] = [];
  const iterator = stream[Symbol.asyncIterator]();
  for (;;) {
    const quiet = new AbortController();
    const silence = isEnough(events) ? sleep(700, null, { signal: quiet.signal }) : new Promise<never>(() => undefined);
    const next = await Promise.race([iterator.next(), silence]);
    quiet.abort();
    if (next === null || next.done === true) break;
    events.push(next.value);
  }
  // The pending read ends with the stream.
  void iterator.return?.();
  return events;
}

interface Sent {
  id: string;
  event: Logged;
}

/** Events as plain HTTP sends them, until so many came; then the connection is cut. */
async function plain(query: string, headers: Record<string, string>, count: number): Promise<Sent[]> {
  const { address, token } = running.daemon;
  const cut = new AbortController();
  const answer = await fetch(`${address}/api/events${query}`, {
    headers: { authorization: `Bearer ${token}`, ...headers },
    signal: cut.signal,
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^text\/event-stream/);
  expect(answer.headers.get("cache-control")).toBe("no-store");
  const sent: Sent[] = [];
  let text = "";
  const decoder = new TextDecoder();
  if (answer.body === null) throw new Error("the stream has no body");
  for await (const part of answer.body as AsyncIterable<Uint8Array>) {
    text += decoder.decode(part, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const members = Object.fromEntries(
        block.split("\n").map((line) => line.split(/: ?(.*)/s, 2) as [string, string]),
      );
      if (members["event"] !== "message") continue;
      sent.push({ id: members["id"] ?? "", event: JSON.parse(members["data"] ?? "") as Logged });
    }
    if (sent.length >= count) break;
  }
  cut.abort();
  return sent;
}

const positions = (events: readonly Logged[]): number[] => events.map((event) => event.position);

test("the log has more events than one read gives, in order", () => {
  expect(contract.events.stream["~orpc"].route.path).toBe("/events");
  expect(all.length).toBeGreaterThan(500);
  expect(positions(all)).toEqual(positions(all).toSorted((a, b) => a - b));
  expect(new Set(all.map((event) => event.seq)).size).toBe(all.length);
});

test("a plain client that is cut off again and again loses and doubles nothing [api.sse-resume]", async () => {
  const seen: Sent[] = [];
  let cuts = 0;
  while (seen.length < all.length) {
    const last = seen.at(-1);
    const resume: Record<string, string> = last === undefined ? {} : { "last-event-id": last.id };
    // What arrived with the last part counts too: the client acknowledges what it saw.
    seen.push(...(await plain("?after=0", resume, Math.min(97, all.length - seen.length))));
    cuts += 1;
  }
  expect(cuts).toBeGreaterThan(1);
  expect(seen.map((one) => one.event)).toEqual(all);
  expect(seen.every((one) => one.id === String(one.event.position))).toBe(true);
});

test("a client of ours resumes after the last id that it has seen [api.sse-resume]", async () => {
  const middle = all[Math.floor(all.length / 2)];
  if (middle === undefined) throw new Error("there are no events");
  const stream = await running.client.events.stream({ after: 0 }, { lastEventId: String(middle.position) });
  const rest = all.slice(all.indexOf(middle) + 1);
  expect(await take(stream, (events) => events.length >= rest.length)).toEqual(rest);
});

test("ids that are none begin where the request says", async () => {
  const [third] = await plain(`?after=${all[1]?.position}`, { "last-event-id": "x" }, 1);
  expect(third?.event).toEqual(all[2]);
  const [second] = await plain(`?after=${all[0]?.position}`, { "last-event-id": "-1" }, 1);
  expect(second?.event).toEqual(all[1]);
});

test("events of one experiment are its own, those of its runs and those of their attempts [api.sse-resume]", async () => {
  const { runs } = await running.client.runs.list({ experiment: "few" });
  const ids = new Set(runs.map((run) => run.id));
  const isMine = ({ entity }: Logged) =>
    entity === first || ids.has(entity) || [...ids].some((id) => entity.startsWith(id.slice(0, 16)));
  const expected = all.filter(isMine);
  const stream = await running.client.events.stream({ after: 0, experiment: first });
  const mine = await take(stream, (events) => events.length >= expected.length);
  expect(mine).toEqual(expected);
  const kinds = mine.map((event) => event.kind);
  for (const kind of [
    "experiment.created",
    "run.created",
    "run.shared",
    "attempt.queued",
    "attempt.finished",
    "result.recorded",
    "run.completed",
  ]) {
    expect(kinds).toContain(kind);
  }
});

test("a stream without position begins with what comes next, at once", async () => {
  const stream = await running.client.events.stream({});
  const news = take(stream, (events) => events.length > 0);
  await runToRest(running, "late.yaml");
  const [event] = await news;
  expect(event).toMatchObject({ kind: "experiment.created", data: { name: "late" } });
});

test("a stream of what there is not is refused before it begins", async () => {
  const { status, text } = await ask(running.daemon, "/api/events?experiment=nowhere");
  expect(status).toBe(404);
  expect((JSON.parse(text) as ErrorBody).data).toMatchObject({ code: "not-found" });
});

test("many streams, cut without a word, leave nothing behind", async () => {
  for (let round = 0; round < 20; round += 1) await plain("?after=0", {}, 1);
  expect((await running.client.system.health()).name).toBe("rigor");
});
