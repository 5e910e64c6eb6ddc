import { pipeline, Readable } from "node:stream";
import { constants, createGzip } from "node:zlib";

type Bytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A file or a link as it goes into an archive. The name is relative, with `/`. */
export type TarEntry =
  | { type: "file"; name: Buffer; size: number; executable: boolean; content: () => Bytes }
  | { type: "link"; name: Buffer; target: Buffer };

const blockSize = 512;

/** Bytes of a name, or of what a link leads to, that fit into a header. */
const nameSize = 100;

/** Sizes from here on do not fit into eleven octal digits. */
const octalSizes = 8 ** 11;

/** Of all files, so that equal content gives equal bytes. Archives of zip know no time before 1980. */
const modified = Date.UTC(2000, 0, 1) / 1000;

/**
 * An archive that every `tar -xzf` reads: GNU's and BSD's, busybox' and toybox'. Made here, because names are bytes and
 * come from Rigor's own lists, and contents may be reached through links. Compressed, because a compressed archive that
 * was cut off is refused: otherwise it would look whole where it ends between two files.
 */
export async function* tarArchive(entries: Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  // An error of a file is thrown by the loop.
  pipeline(Readable.from(blocks(entries)), gzip, () => undefined);
  const pieces: AsyncIterable<Buffer> = gzip;
  for await (const piece of pieces) yield piece;
}

async function* blocks(entries: Iterable<TarEntry>): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    if (entry.name.length > nameSize) yield* longName(entry.name, "L");
    if (entry.type === "link") {
      if (entry.target.length > nameSize) yield* longName(entry.target, "K");
      yield header({ name: entry.name, size: 0, type: "2", mode: 0o700, target: entry.target });
    } else {
      const { name, size, executable } = entry;
      // For their owner only, as everything that Rigor writes: root's tar asks no umask.
      yield header({ name, size, type: "0", mode: executable ? 0o700 : 0o600 });
      yield* entry.content();
      yield padding(size);
    }
  }
  yield Buffer.alloc(2 * blockSize);
}

/** A file whose content is at hand. */
export function tarText(name: string, text: string): TarEntry {
  const content = Buffer.from(text);
  return { type: "file", name: Buffer.from(name), size: content.length, executable: false, content: () => [content] };
}

/** What GNU's tar, and all others by now, put before an entry whose name does not fit. */
function* longName(name: Buffer, type: "L" | "K"): Generator<Uint8Array> {
  const size = name.length + 1;
  yield header({ name: Buffer.from("././@LongLink"), size, type, mode: 0o600 });
  yield Buffer.concat([name, Buffer.alloc(1), padding(size)]);
}

interface Header {
  name: Buffer;
  size: number;
  type: "0" | "2" | "K" | "L";
  mode: number;
  target?: Buffer;
}

function header({ name, size, type, mode, target }: Header): Buffer {
  const block = Buffer.alloc(blockSize);
  const put = (at: number, value: string) => block.write(value, at, "latin1");
  name.copy(block, 0, 0, nameSize);
  put(100, `${octal(mode, 7)}\0`);
  put(108, `${octal(0, 7)}\0`);
  put(116, `${octal(0, 7)}\0`);
  if (size < octalSizes) {
    put(124, `${octal(size, 11)}\0`);
  } else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(size), 128);
  }
  put(136, `${octal(modified, 11)}\0`);
  put(148, " ".repeat(8));
  put(156, type);
  target?.copy(block, 157, 0, nameSize);
  put(257, "ustar  \0");
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, `${octal(sum, 6)}\0 `);
  return block;
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, "0");

const padding = (size: number): Buffer => Buffer.alloc((blockSize - (size % blockSize)) % blockSize);
