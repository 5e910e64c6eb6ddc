import type { Json } from "../../domain/canonical.ts";
import type { CheckFinding } from "../../domain/issues/check-concerns.ts";
import type { IssueFacts } from "../../domain/issues/facts.ts";
import type { ConductorParts } from "../parts.ts";

/** What a check found. */
export interface CheckOutcome {
  passed: boolean;
  /** It could not be made, and whoever made what it looks at cannot help that. */
  fault: boolean;
  findings: CheckFinding[];
  details: Json;
}

/**
 * A step of an issue that code makes. Making it again gives the same, or finds what the first time left.
 *
 * @param subject hash of what is checked
 * @returns null while the outcome is not known yet
 */
export type Check = (parts: ConductorParts, facts: IssueFacts, subject: string) => Promise<CheckOutcome | null>;

export const passed = (details: Json = null): CheckOutcome => ({
  passed: true,
  fault: false,
  findings: [],
  details,
});

/** @param findings sentences, or what is found at a place each */
export const judged = (findings: readonly (string | CheckFinding)[], details: Json = null): CheckOutcome => ({
  passed: findings.length === 0,
  fault: false,
  findings: findings.map((one) => (typeof one === "string" ? { location: null, evidence: one } : one)),
  details,
});

/** What a check comes to that could not be made. @param evidence why, and what a person can do */
export const faulty = (evidence: string): CheckOutcome => ({ ...judged([evidence]), fault: true });

/** A finding as a sentence. */
export const findingText = ({ location, evidence }: CheckFinding): string =>
  location === null ? evidence : `${location}: ${evidence}`;
