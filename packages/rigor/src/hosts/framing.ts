/**
 * Puts a script into one line for the login shell of a host, whatever shell that is: within the single quotes stand only
 * characters that csh, fish and all POSIX shells leave as they are, and `printf %b` turns them back. What the script writes
 * stands between two marks, so that greetings of the login are told from it, and a missing second mark tells that it was
 * cut off. Standard error has marks of its own, around the others, because a host may mix both streams.
 *
 * @param mark characters that appear nowhere else, such as 32 hexadecimal digits
 */
export function commandLine(script: string, mark: string): string {
  const framed = `printf '\\n%s begin\\n' ${markOfErrors(mark)} >&2
printf '\\n%s begin\\n' ${mark}
(
${script}
)
set -- "$?"
printf '\\n%s end %s\\n' ${mark} "$1"
printf '\\n%s end %s\\n' ${markOfErrors(mark)} "$1" >&2`;
  return `exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '${encode(framed)}'`;
}

const plain = /^[A-Za-z0-9 _.,:;=+\-/@%(){}[\]|&<>*?~#"^]$/;

/** Everything that some shell might read in its own way becomes an octal escape of `printf %b`. */
function encode(text: string): string {
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const character = String.fromCharCode(byte);
    encoded += byte < 128 && plain.test(character) ? character : `\\0${byte.toString(8).padStart(3, "0")}`;
  }
  return encoded;
}

const endOf = (mark: string): string => `\n${mark} end `;

/** The last bytes in which a second mark may have been cut in two. */
export const tailBytes = (mark: string): number => endOf(mark).length + 8;

/** Whether the second mark is there, and whole. */
export function hasEnd(output: Buffer, mark: string): boolean {
  const end = output.lastIndexOf(endOf(mark));
  return end !== -1 && output.includes("\n", end + endOf(mark).length);
}

/** The mark of standard error. */
export const markOfErrors = (mark: string): string => `${mark}-errors`;

const beginOf = (mark: string): string => `\n${mark} begin\n`;

/** What stands between the marks; null while the second one is not whole. */
export function readFrame(output: Buffer, mark: string): { status: number; stdout: Buffer } | null {
  const opening = beginOf(mark);
  const begin = output.indexOf(opening);
  const end = output.lastIndexOf(endOf(mark));
  if (begin === -1 || end === -1) return null;
  const rest = output.toString("latin1", end + endOf(mark).length, end + endOf(mark).length + 8);
  const status = /^(\d+)\n/.exec(rest)?.[1];
  return status === undefined ? null : { status: Number(status), stdout: output.subarray(begin + opening.length, end) };
}

/** What a script wrote to standard error, as far as it is known: either mark may be missing. */
export function readErrors(errors: string, mark: string): string {
  const opening = beginOf(markOfErrors(mark));
  const begin = errors.indexOf(opening);
  const end = errors.lastIndexOf(endOf(markOfErrors(mark)));
  return errors.slice(begin === -1 ? 0 : begin + opening.length, end === -1 ? errors.length : end);
}
