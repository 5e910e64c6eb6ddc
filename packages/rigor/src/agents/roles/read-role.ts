import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { RoleName } from "../../domain/issues/records.ts";
import { isMissing } from "../../hosts/system-errors.ts";
import { parseRole, type Role } from "./role.ts";

const defaults = new URL("../../../templates/roles/", import.meta.url);

/**
 * The role as a repository has it in `.rigor/roles/NAME.md`, else the one that ships.
 *
 * @throws RigorError `file-invalid`
 */
export function readRole(project: string, name: RoleName): Role {
  const own = join(project, ".rigor", "roles", `${name}.md`);
  const text = readIfThere(own);
  if (text !== null) return parseRole(name, text, own);
  const shipped = new URL(`${name}.md`, defaults);
  return parseRole(name, readFileSync(shipped, "utf8"), shipped.pathname);
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
