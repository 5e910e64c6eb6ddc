import { posix } from "node:path";
import { quote } from "../../hosts/quote.ts";
import { readRange } from "./read-range.ts";
import type { Kept, WorkDirectory } from "./work-directory.ts";

export interface Upload {
  /** For people, as in `lab1 failed at WHAT`. */
  what: string;
  /** A file on this machine. */
  source: string;
  /** Bytes. */
  size: number;
  /** Absolute path on the host. Only this upload may write it, and nothing reads it before it is checked. */
  target: string;
  /** What the target is a part of. */
  used: Kept;
  /** Told the bytes that arrived with each piece. */
  onPiece?: (bytes: number) => void;
}

const mebibyte = 1024 * 1024;

/** What one call carries at first; it grows while calls are short, so that a lost connection loses seconds. */
export const firstPiece = 4 * mebibyte;
const pieces = { least: mebibyte, most: 64 * mebibyte };
const seconds = { short: 2, long: 20 };
const pieceTimeout = 600;

/** Bytes that a piece begins at a multiple of; also what `dd` writes at once. */
const blockSize = 65_536;

/**
 * Copies a file to a host in pieces, each written at its own place, so that a piece that arrives twice changes nothing.
 * Goes on where an earlier upload stopped. Whether the bytes are right is for the caller to find out.
 */
export async function upload(directory: WorkDirectory, request: Upload): Promise<void> {
  const { what, source, size, target, used } = request;
  const there = await sizeThere(directory, request);
  if (there === size && size > 0) return;
  let length = firstPiece;
  let at = Math.floor(there / blockSize) * blockSize;
  do {
    const begin = at;
    const count = Math.min(length, size - begin);
    const began = performance.now();
    await directory.run({
      what,
      script: `used ${used.kind} ${quote(used.name)}
dd of=${quote(target)} bs=${blockSize} seek=${begin / blockSize} conv=notrunc`,
      input: () => readRange(source, begin, count),
      timeout: pieceTimeout,
    });
    request.onPiece?.(count);
    at += count;
    length = nextLength(length, (performance.now() - began) / 1000);
  } while (at < size);
}

async function sizeThere(directory: WorkDirectory, { what, size, target }: Upload): Promise<number> {
  const script = `target=${quote(target)}
mkdir -p ${quote(posix.dirname(target))}
if [ -f "$target" ]; then
  # It may be read-only where a crash came between its end and its name.
  chmod u+w "$target"
  # shellcheck disable=SC2012 # one file, of which the size is asked
  ls -lnd "$target" | { read -r _ _ _ _ size _ && printf '%s\\n' "$size"; }
else
  echo 0
fi`;
  const there = Number(await directory.run({ what, script }));
  if (Number.isSafeInteger(there) && there >= 0 && there <= size) return there;
  await directory.run({ what, script: `discard ${quote(target)}` });
  return 0;
}

function nextLength(length: number, took: number): number {
  if (took < seconds.short) return Math.min(pieces.most, length * 2);
  return took > seconds.long ? Math.max(pieces.least, length / 2) : length;
}
