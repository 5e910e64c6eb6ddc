/** A thread that reads documents: see reader.ts. Each message is one piece of work, answered with its result or error. */
import { parentPort } from "node:worker_threads";
import { RigorError } from "../../domain/errors.ts";
import { checkDocument } from "./check.ts";
import { directivesIn } from "./directives.ts";
import { documentHash, renderDocument } from "./document.ts";
import { parseMarkdown } from "./parse.ts";
import type { Answer, Work } from "./reader.ts";

if (parentPort === null) throw new Error("this is a thread, and no program");
const port = parentPort;

port.on("message", (work: Work) => {
  perform(work).then(
    (result) => port.postMessage({ result } satisfies Answer),
    (error: unknown) => port.postMessage({ error: told(error) } satisfies Answer),
  );
});
port.postMessage("ready");

async function perform(work: Work): Promise<unknown> {
  const { source } = work;
  if (work.do === "render") return renderDocument(source, work.facts, { draft: work.draft });
  if (work.do === "check") {
    return { problems: checkDocument(source, work.facts), hash: documentHash(source, work.facts) };
  }
  const { experiment, root } = parseMarkdown(source);
  return { experiment, directives: directivesIn(root).length };
}

/** Errors for people keep what they say to do; all others come over as they are. */
function told(error: unknown): Extract<Answer, { error: unknown }>["error"] {
  if (error instanceof RigorError) return { code: error.code, message: error.message, next: error.next ?? null };
  return error instanceof Error ? error : new Error(String(error));
}
