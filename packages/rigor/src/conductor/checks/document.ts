import { newest, type IssueFacts } from "../../domain/issues/facts.ts";
import { showsTheSame } from "../../domain/issues/edit-document.ts";
import type { ConductorParts } from "../parts.ts";
import { judged, type CheckOutcome } from "./check.ts";

/** Whether what a person approved is still what the document shows: a run may have become invalid since. */
export async function checkApproved(
  { documents }: ConductorParts,
  facts: IssueFacts,
  approved: string,
): Promise<CheckOutcome> {
  const result = newest(facts, "result");
  if (result?.hash !== approved) throw new Error("a result was approved that is not the newest");
  const { hash, problems } = await (await documents()).check(facts, result.content.document);
  const changed = showsTheSame(result, hash)
    ? []
    : ["What the result shows is not what it was when the document was handed in."];
  return judged([...changed, ...problems], { hash });
}
