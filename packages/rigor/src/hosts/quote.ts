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
