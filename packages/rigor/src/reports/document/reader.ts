import { Worker } from "node:worker_threads";
import { RigorError, type ErrorCode } from "../../domain/errors.ts";
import type { DocumentFacts } from "./facts.ts";
import type { DocumentProblem } from "./problems.ts";
import type { RenderedDocument } from "./document.ts";

// Markdown can be written so that reading it takes minutes, and documents come from agents. So they are read in a thread
// that is given up when it takes too long, and that holds nobody up meanwhile.

export type Work = { source: string } & (
  | { do: "check"; facts: DocumentFacts }
  | { do: "render"; facts: DocumentFacts; draft: boolean }
  | { do: "outline" }
);

export type Answer = { result: unknown } | { error: Error | { code: ErrorCode; message: string; next: string | null } };

/**
 * Milliseconds of processor time for one document: on a machine that does much else, a good one may take long all the
 * same. A long one that people would read takes less than a tenth of it.
 */
const mostTime = 5_000;
const lookTime = 500;
/** Milliseconds after which a thread that nobody needs is ended. */
const idleTime = 60_000;
const mostMegabytes = 512;

/** Everything that is wrong with a document, and what an approval of it binds to. */
export async function checkDocument(
  source: string,
  facts: DocumentFacts,
): Promise<{ problems: DocumentProblem[]; hash: string }> {
  return (await read({ do: "check", source, facts })) as { problems: DocumentProblem[]; hash: string };
}

/** See {@link RenderedDocument}. @throws RigorError `file-invalid` for a document with errors that is no draft */
export async function renderDocument(
  source: string,
  facts: DocumentFacts,
  { draft = false }: { draft?: boolean } = {},
): Promise<RenderedDocument> {
  return (await read({ do: "render", source, facts, draft })) as RenderedDocument;
}

/** The experiment that a document names, and how many directives it has. */
export async function outlineDocument(source: string): Promise<{ experiment: string | null; directives: number }> {
  return (await read({ do: "outline", source })) as { experiment: string | null; directives: number };
}

let thread: Worker | null = null;
let idle: NodeJS.Timeout | undefined;
let last: Promise<unknown> = Promise.resolve();

/** One document after the other. @throws RigorError `file-invalid` for one that cannot be read in time */
function read(work: Work): Promise<unknown> {
  const mine = last.then(() => readNow(work));
  last = mine.catch(() => undefined);
  return mine;
}

async function readNow(work: Work): Promise<unknown> {
  clearTimeout(idle);
  const worker = (thread ??= await start());
  try {
    const answer = await answerTo(worker, work);
    if ("result" in answer) return answer.result;
    const { error } = answer;
    if (error instanceof Error) throw error;
    throw new RigorError(error.code, error.message, error.next === null ? {} : { next: error.next });
  } finally {
    idle = setTimeout(() => void giveUp(worker), idleTime).unref();
  }
}

/** A thread that is ready to read. */
async function start(): Promise<Worker> {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./reader-thread.${extension}`, import.meta.url), {
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: mostMegabytes },
  });
  await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
  forget(worker);
  // Nobody waits for it at the end of the program.
  worker.unref();
  return worker;
}

async function answerTo(worker: Worker, work: Work): Promise<Answer> {
  const before = await worker.cpuUsage();
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const tooMuch = (why: string) => {
    void giveUp(worker);
    reject(
      new RigorError("file-invalid", `The document cannot be read: ${why}.`, {
        next: "Write it with less markup: long rows of brackets, stars or quotation marks are what takes so long.",
      }),
    );
  };
  const look = async () => {
    const used = await worker.cpuUsage(before).catch(() => null); // null: it has just ended
    if (used === null || used.user + used.system < mostTime * 1_000) return;
    tooMuch(`it takes more than ${mostTime / 1_000} s of processor time`);
  };
  const timer = setInterval(() => void look(), lookTime);
  worker.ref();
  worker.once("message", resolve);
  worker.once("error", (error) => tooMuch(error instanceof Error ? error.message : String(error)));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread of ours has no origin
  worker.postMessage(work);
  try {
    return await promise;
  } finally {
    clearInterval(timer);
    forget(worker);
    worker.unref();
  }
}

function forget(worker: Worker): void {
  for (const event of ["message", "error"]) worker.removeAllListeners(event);
  // Where it fails later, the next document starts another one.
  worker.on("error", () => (thread = thread === worker ? null : thread));
}

async function giveUp(worker: Worker): Promise<void> {
  if (thread === worker) thread = null;
  await worker.terminate();
}
