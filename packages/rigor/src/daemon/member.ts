import { randomBytes } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { isMissing } from "../hosts/system-errors.ts";

const memberSchema = z.object({ member: z.string().regex(/^[0-9a-f]{12}$/), place: z.string() });

/**
 * Names a data directory among all that share a lab; the same after every restart. A copy of a directory is another one,
 * on this machine or elsewhere: what runs in the first must not look as if it had never started in the second.
 */
export function memberOf(directory: string): string {
  const file = join(directory, "member.json");
  const place = `${machineName()} ${statSync(directory).ino}`;
  const known = readMember(file);
  if (known?.place === place) return known.member;
  const member = randomBytes(6).toString("hex");
  writeFileSync(file, `${JSON.stringify({ member, place })}\n`, { mode: 0o600 });
  return member;
}

function readMember(file: string): z.infer<typeof memberSchema> | null {
  try {
    return memberSchema.safeParse(JSON.parse(readFileSync(file, "utf8"))).data ?? null;
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return null;
    throw error;
  }
}

/** A host name changes with the network on some machines; this does not. */
function machineName(): string {
  try {
    return readFileSync("/etc/machine-id", "utf8").trim() || hostname();
  } catch (error) {
    if (isMissing(error)) return hostname();
    throw error;
  }
}
