import { homedir } from "node:os";
import { join } from "node:path";
import { runDeclaredChecks } from "../../agents/checks/declared-checks.ts";
import { findDuplication, type Duplication } from "../../agents/checks/duplication.ts";
import { toolchains } from "../../agents/sandbox/toolchains.ts";
import type { IssueFacts } from "../../domain/issues/facts.ts";
import type { ConductorParts } from "../parts.ts";
import type { CheckFinding } from "../../domain/issues/check-concerns.ts";
import { judged, passed, type CheckOutcome } from "./check.ts";

/** The commands that the repository declares must succeed before anybody reads the change. */
export async function makeDeclaredChecks(
  parts: ConductorParts,
  facts: IssueFacts,
  commit: string,
): Promise<CheckOutcome> {
  const { issue, settings } = facts;
  if (settings.checks.length === 0) {
    return passed({ commands: [], message: "No command is declared (agents.checks in rigor.yaml)." });
  }
  const { workspaces, lab } = parts;
  return workspaces.withCopy(facts, commit, async (workspace) => {
    const made = await runDeclaredChecks(workspace, await workspaces.sandbox(), {
      commands: settings.checks,
      output: join(lab.data.root, "checks", issue.id, commit),
      readable: toolchains(process.env["PATH"] ?? "", homedir()),
    });
    const findings = made
      .filter((one) => !one.passed)
      .map(({ command, exit, timedOut, tail }) => {
        const how = timedOut ? "took too long" : `ended with ${exit ?? "a signal"}`;
        return { location: command, evidence: `\`${command}\` ${how}: ${tail.trim()}` };
      });
    return judged(findings, {
      commands: made.map(({ command, exit, seconds, output }) => ({ command, exit, seconds, output })),
    });
  });
}

/** So many copies are told one by one. */
const mostCopies = 10;

/** Copies of code that the change adds. Their author removes them, or says why they are right. */
export async function checkDuplication(
  { workspaces }: ConductorParts,
  facts: IssueFacts,
  commit: string,
): Promise<CheckOutcome> {
  return workspaces.withCopy(facts, commit, async (workspace) => {
    const found = await findDuplication(workspace, await workspaces.sandbox());
    const more = found.length - mostCopies;
    const copies = found.map(({ file, lines, otherFile, otherLines, tokens }) => ({
      ...{ file, other_file: otherFile, tokens },
      lines: `${lines.from} to ${lines.to}`,
      other_lines: `${otherLines.from} to ${otherLines.to}`,
    }));
    return judged([...found.slice(0, mostCopies).map(copyFinding), ...(more > 0 ? [`${more} further copies.`] : [])], {
      copies,
    });
  });
}

/** Where it stands may change; what is repeated, and from where, is what it is known by. */
function copyFinding({ file, lines, otherFile, tokens, beginning }: Duplication): CheckFinding {
  const count = lines.to - lines.from + 1;
  const other = otherFile === file ? "elsewhere in this file" : `in ${otherFile}`;
  return {
    location: `${file}:${lines.from}-${lines.to}`,
    evidence: `${count} lines of ${file} (${tokens} tokens, beginning with \`${beginning}\`) stand also ${other}.`,
  };
}
