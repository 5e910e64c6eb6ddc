import { createReadStream } from "node:fs";
import { RigorError } from "../../domain/errors.ts";

/** Bytes that are read at once. */
const readAhead = 1024 * 1024;

/** Bytes of a file from a place on. @throws RigorError `not-possible` when the file ends before */
export async function* readRange(path: string | Buffer, start: number, count: number): AsyncGenerator<Uint8Array> {
  if (count === 0) return;
  let read = 0;
  const stream: AsyncIterable<Buffer> = createReadStream(path, {
    start,
    end: start + count - 1,
    highWaterMark: readAhead,
  });
  for await (const piece of stream) {
    read += piece.length;
    yield piece;
  }
  if (read === count) return;
  throw new RigorError("not-possible", `${String(path)} changed while it was copied`, {
    next: "Wait until it is written completely, and start again.",
  });
}
