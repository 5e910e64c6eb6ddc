import { RigorError } from "../domain/errors.ts";

/** A value as one word of a shell command, whatever it contains. */
export function quote(value: string): string {
  if (value.includes("\0")) {
    throw new RigorError("file-invalid", `A NUL character cannot be given to a command: ${JSON.stringify(value)}.`, {
      next: "Remove the NUL character from the command, the parameters or the environment.",
    });
  }
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

/** A line of a script that sets a variable for what it starts. */
export function exportLine(name: string, value: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return `export ${name}=${quote(value)}`;
  throw new RigorError("file-invalid", `"${name}" cannot name an environment variable.`, {
    next: "Use letters, digits and underscores, and do not begin with a digit.",
  });
}
