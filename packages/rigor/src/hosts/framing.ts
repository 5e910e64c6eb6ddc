/**
 * Puts a script into one line for the login shell of a host, whatever shell that is: within the single quotes stand only
 * characters that csh, fish and all POSIX shells leave as they are, and `printf %b` turns them back. The answer stands between two marks, so
 * that greetings of the login are told from it, and a missing second mark tells that it was cut off.
 *
 * @param mark characters that appear nowhere else, such as 32 hexadecimal digits
 */
export function commandLine(script: string, mark: string): string {
  const framed = `printf '\\n%s begin\\n' ${mark}
(
${script}
)
printf '\\n%s end %s\\n' ${mark} "$?"`;
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

/** What the second mark begins with. */
export const endOf = (mark: string): string => `\n${mark} end `;

/** What stands between the marks; null while the second one is not whole. */
export function readFrame(output: Buffer, mark: string): { status: number; stdout: Buffer } | null {
  const opening = Buffer.from(`\n${mark} begin\n`);
  const begin = output.indexOf(opening);
  const end = output.lastIndexOf(endOf(mark));
  if (begin === -1 || end === -1) return null;
  const rest = output.toString("latin1", end + endOf(mark).length, end + endOf(mark).length + 8);
  const status = /^(\d+)\n/.exec(rest)?.[1];
  return status === undefined ? null : { status: Number(status), stdout: output.subarray(begin + opening.length, end) };
}
