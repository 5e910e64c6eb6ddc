import type { Documents } from "../../conductor/documents.ts";
import { unifiedDiff } from "../../domain/format/line-diff.ts";
import { RigorError } from "../../domain/errors.ts";
import { isEdit } from "../../domain/issues/edit-document.ts";
import { allOf, type IssueFacts } from "../../domain/issues/facts.ts";
import type { DocumentVersionView } from "../contract/views/documents.ts";

/**
 * One version of the result document of an issue.
 *
 * @param version the newest where it is null
 * @throws RigorError `not-found`
 */
export async function presentDocument(
  facts: IssueFacts,
  documents: Documents,
  version: number | null,
): Promise<DocumentVersionView> {
  const { number: issue } = facts.issue;
  const versions = allOf(facts, "result");
  const found = version === null ? versions.at(-1) : versions.find(({ number }) => number === version);
  if (found === undefined) {
    const what = versions.length === 0 ? "no result document yet" : `no document ${version}`;
    throw new RigorError("not-found", `Issue ${issue} has ${what}.`, {
      next: `See where it stands: rigor issue show ${issue}`,
    });
  }
  const { number, hash, submitted_by, submitted_at, content } = found;
  const before = versions.find((one) => one.number === number - 1);
  return {
    ...{ number, hash, submitted_by, submitted_at },
    source: content.document,
    markdown: await documents.present(facts, content.document),
    edited: isEdit(found),
    changes: before === undefined ? null : unifiedDiff(before.content.document, content.document),
  };
}
