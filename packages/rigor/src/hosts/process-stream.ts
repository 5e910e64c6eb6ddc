import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { Duplex } from "node:stream";

/**
 * The input and the output of a process as one connection. A process that has ended takes nothing more, and what it wrote
 * before is read to its end all the same: `Duplex.from` gives up both sides when one is closed early.
 */
export function streamOf({ stdin, stdout }: ChildProcessWithoutNullStreams): Duplex {
  const connection = new Duplex({
    read: () => void stdout.resume(),
    // What it does not take is told by what it answers, or by how it ends.
    write: (piece, _encoding, done) => void stdin.write(piece, () => done()),
    final: (done) => void stdin.end(() => done()),
    destroy: (error, done) => {
      stdin.destroy();
      stdout.destroy();
      done(error);
    },
  });
  stdin.on("error", () => undefined);
  stdout.on("data", (piece: Buffer) => {
    if (!connection.push(piece)) stdout.pause();
  });
  stdout.on("end", () => connection.push(null));
  stdout.on("error", (error) => connection.destroy(error));
  stdout.pause();
  return connection;
}
