import { RigorError } from "../../domain/errors.ts";

type Witness = "alive" | "dead" | "rebooted" | "elsewhere" | "unknown";

/** What a host says of the directory of one attempt. */
export type Sight =
  | { state: "missing" | "unclaimed" | "withdrawn" }
  | { state: "ended"; record: string }
  | {
      state: "claimed";
      /**
       * Of the process that executes it: `rebooted` when its host was started anew since, `elsewhere` when it is another
       * host's, `unknown` before it has said so.
       */
      witness: Witness;
      /** Changes with each sign of life; null before the first. */
      beat: string | null;
      record: string;
    };

export interface Survey {
  /** By the path of the attempt. */
  sights: Map<string, Sight>;
  /** Bytes of the files that attempts write, by path. */
  sizes: Map<string, number>;
}

const simple = new Set(["missing", "unclaimed", "withdrawn"]);
const witnesses = new Set<string>(["alive", "dead", "rebooted", "elsewhere", "unknown"] satisfies Witness[]);

/**
 * Reads the answer to `surveyScript`.
 *
 * @throws RigorError `unreachable` for an answer that cannot be understood: nothing is concluded from a part of it.
 */
export function parseSurvey(text: string): Survey {
  const lines = text.split("\n");
  const end = lines.indexOf("sizes");
  if (end === -1) throw unreadable(text);
  return {
    sights: new Map(lines.slice(0, end).map((line) => parseSight(line))),
    sizes: parseSizes(lines.slice(end + 1)),
  };
}

function parseSight(line: string): [path: string, sight: Sight] {
  const [, path, word, rest = ""] = /^(\S+) (\w+)(?: (.*))?$/s.exec(line) ?? [];
  if (path === undefined || word === undefined) throw unreadable(line);
  if (simple.has(word)) return [path, { state: word as "missing" | "unclaimed" | "withdrawn" }];
  if (word === "ended") return [path, { state: "ended", record: rest }];
  const [, witness, beat, record = ""] = /^(\w+) (-|\d+) ?(.*)$/s.exec(rest) ?? [];
  if (word !== "claimed" || witness === undefined || !witnesses.has(witness)) throw unreadable(line);
  return [
    path,
    {
      state: "claimed",
      witness: witness as Witness,
      beat: beat === undefined || beat === "-" ? null : beat,
      record,
    },
  ];
}

/** Reads lines of `wc -c`. Names with line breaks, and the total, are left out. */
export function parseSizes(lines: readonly string[]): Map<string, number> {
  return new Map(
    lines.flatMap((line): [string, number][] => {
      const [, size, path] = /^ *(\d+) (.+)$/.exec(line) ?? [];
      return size === undefined || path === undefined || !path.includes("/") ? [] : [[path, Number(size)]];
    }),
  );
}

/** A part of a file: `count` bytes from `offset` on. */
export interface Piece {
  path: string;
  offset: number;
  count: number;
}

export const pieceLine = ({ path, offset, count }: Piece): string => `${offset} ${count} ${path}\n`;

/**
 * Reads the answer to `piecesScript`. A file that became shorter gives fewer bytes than were asked for, and everything
 * from there on is left out: it is asked for again.
 */
export function parsePieces(answer: Buffer, asked: readonly Piece[]): { piece: Piece; bytes: Buffer }[] {
  const found: { piece: Piece; bytes: Buffer }[] = [];
  let position = 0;
  for (const [index, piece] of asked.entries()) {
    const start = position + Buffer.byteLength(pieceLine(piece));
    const end = start + piece.count;
    const next = asked[index + 1];
    const whole = next === undefined ? end === answer.length : startsWith(answer, end, pieceLine(next));
    if (!startsWith(answer, position, pieceLine(piece)) || !whole) return found;
    found.push({ piece, bytes: answer.subarray(start, end) });
    position = end;
  }
  return found;
}

function startsWith(bytes: Buffer, position: number, text: string): boolean {
  const expected = Buffer.from(text);
  return bytes.subarray(position, position + expected.length).equals(expected);
}

function unreadable(text: string): RigorError {
  return new RigorError("unreachable", `The host's answer cannot be read: ${JSON.stringify(text.slice(0, 200))}.`, {
    next: "Nothing is concluded from it; it is asked again.",
  });
}
