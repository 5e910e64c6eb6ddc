import { parseDocument } from "yaml";
import { canonicalJson, type Json } from "../canonical.ts";
import type { IssueRecord } from "./records.ts";

/** What an issue asks, as far as that tells whether another one asks the same. */
export type Question = Pick<IssueRecord, "parent" | "title"> & {
  change: { variable: string; to: string } | null;
};

/** The same variable of the same experiment set to the same value. */
export function sameChange(one: Question, other: Question): boolean {
  return (
    one.parent === other.parent &&
    one.change !== null &&
    other.change !== null &&
    one.change.variable === other.change.variable &&
    sameValue(one.change.to, other.change.to)
  );
}

export const sameTitle = (one: Question, other: Question): boolean => plain(one.title) === plain(other.title);

/** Values are YAML, which can be written in several ways. */
export const sameValue = (one: string, other: string): boolean => canonicalValue(one) === canonicalValue(other);

function canonicalValue(text: string): string {
  const value = parseDocument(text);
  return value.errors.length > 0 ? text.trim() : canonicalJson(value.toJS() as Json);
}

const plain = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, " ")
    .trim();

/**
 * The issue that asks already what a person's follow-up asks: by its change where both name one, else by its title as long as
 * it is open. A cancelled one asks nothing.
 */
export function askedAlready(known: readonly IssueRecord[], followUp: Question): IssueRecord | null {
  const found = known.find((one) => {
    if (one.state === "cancelled") return false;
    if (one.change !== null && followUp.change !== null) return sameChange(one, followUp);
    return one.state !== "done" && sameTitle(one, followUp);
  });
  return found ?? null;
}
