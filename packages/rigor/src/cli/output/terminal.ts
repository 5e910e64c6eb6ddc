import { textWidth, truncate } from "./text.ts";

export type Paint = (text: string) => string;

export interface Style {
  bold: Paint;
  dim: Paint;
  green: Paint;
  red: Paint;
  yellow: Paint;
}

/** What a stream can show. */
export interface Terminal {
  /** Columns; unbounded where nobody looks, so that other programs get whole lines. */
  columns: number;
  /** A person watches, and lines can be drawn again. */
  interactive: boolean;
  /** False where only ASCII is safe. */
  unicode: boolean;
  style: Style;
}

type Variables = Readonly<Record<string, string | undefined>>;

const sgr = (on: number, off: number) => (text: string) => `\u001b[${on}m${text}\u001b[${off}m`;
const same: Paint = (text) => text;

const coloured: Style = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  green: sgr(32, 39),
  red: sgr(31, 39),
  yellow: sgr(33, 39),
};
export const plainStyle: Style = { bold: same, dim: same, green: same, red: same, yellow: same };

/**
 * Colour follows https://no-color.org and FORCE_COLOR: without either, only a terminal gets it. Lines are drawn
 * again on a terminal only.
 */
export function describeTerminal(
  stream: { isTTY?: boolean | undefined; columns?: number | undefined },
  environment: Variables,
): Terminal {
  const interactive = stream.isTTY === true && environment["TERM"] !== "dumb";
  const forced = environment["FORCE_COLOR"];
  const wanted = forced === undefined || forced === "" ? interactive : forced !== "0" && forced !== "false";
  const colour = wanted && !environment["NO_COLOR"];
  return {
    columns: interactive ? Math.max(20, columnsOf(stream)) : Number.POSITIVE_INFINITY,
    interactive,
    unicode: isUtf8(environment),
    style: colour ? coloured : plainStyle,
  };
}

function isUtf8(environment: Variables): boolean {
  const locale = environment["LC_ALL"] || environment["LC_CTYPE"] || environment["LANG"] || "";
  return /utf-?8/i.test(locale) || process.platform === "darwin";
}

/** One line at the bottom of a terminal that is drawn again and again. */
export class LiveLine {
  readonly #write: (text: string) => void;
  readonly #columns: () => number;
  #shown = false;

  constructor(write: (text: string) => void, columns: () => number) {
    this.#write = write;
    this.#columns = columns;
  }

  draw(text: string): void {
    // The last column stays free: some terminals wrap when it is filled.
    const width = this.#columns() - 1;
    this.#write(`\r${textWidth(text) > width ? truncate(text, width) : text}\u001b[K`);
    this.#shown = true;
  }

  /** Removes the line, so that other text can be written. */
  clear(): void {
    if (this.#shown) this.#write("\r\u001b[K");
    this.#shown = false;
  }
}

/** Some terminals say that they have no columns: their size is not known. */
function columnsOf({ columns }: { columns?: number | undefined }): number {
  return columns === undefined || columns === 0 ? 80 : columns;
}
