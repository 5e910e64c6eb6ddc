/** A line of a program's output that may say why the program failed. */
export interface Clue {
  text: string;
  /** An exception, and so more than a line: the program, or a part of it, ended by it. */
  exception: boolean;
  /** What comes after an end in any case, such as the report of a launcher. */
  afterword: boolean;
  /** Place, in the list of clues, of the exception that is named as the direct cause of this one. */
  cause: number | null;
}

/** How many of the last clues are kept. */
const keptClues = 200;

// oxlint-disable-next-line no-control-regex -- terminals are told about colours by a control character
const colours = /\u001B\[[0-9;]*m/g;

/** What launchers of many processes, and groups of exceptions, write before each line. */
const linePrefix =
  /^(?:\[(?:rank|default)\d+\]:\s?|\(\w+ pid=\d+(?:, ip=[\d.]+)?\)\s?|\d+: (?=Traceback|\w+Error)| +[|+] )+/;

const traceback = /^(?:Exception Group )?Traceback \(most recent call last\):$/;
const directCause = "The above exception was the direct cause of the following exception:";

/** Begins the report of an exception that did not end the program. */
const harmless = /^(?:Exception ignored in[: ]|--- Logging error ---$|Exception in thread )/;

/** The exception of a traceback. Its name may end in any way. */
const tracedException = /^[A-Za-z_][\w.]*(?::|$)/;

/** An exception without a traceback, as Node and command lines write it. */
const bareException = /^\[?(?:Uncaught )?(?:[\w.]+\.)?\w*(?:Error|Exception)\b(?:: | \[|\]|$)/;

const nodeCause = /^\[cause\]: (.*)/;

/** What programs and launchers write after the exception that ended them. */
const afterword =
  /^(?:Node\.js v\d|Emitted '\w+' event on |wandb: |[EWI]\d{4} |srun: |slurmstepd: |=>> PBS: |[}\])]+$|\d+%\||-{5,}|\d+: 0x[0-9a-f]+ |Aborted$)/;

/** Reads the end of a program's output: what is neither code of a traceback nor an exception that was survived. */
export function cluesIn(output: string): Clue[] {
  const clues: Clue[] = [];
  /** The lines below belong to a traceback, or to the exception that was just read. */
  let within: "traceback" | "exception" | null = null;
  let isHarmless = false;
  let hasCause = false;
  for (const raw of output.split(/\r\n|\n|\r/)) {
    const line = raw.replaceAll(colours, "").replace(linePrefix, "").trimEnd().slice(0, 2000);
    const text = line.trim();
    const cause = within === "exception" ? nodeCause.exec(text)?.[1] : undefined;
    if (text === "") continue;
    if (text === directCause) hasCause = true;
    else if (harmless.test(line)) isHarmless = true;
    else if (traceback.test(text)) within = "traceback";
    else if (cause !== undefined) clues.push({ text: cause, exception: true, afterword: false, cause: null });
    else if (within !== null && line.startsWith(" ")) continue;
    else if ((within === "traceback" && tracedException.test(line)) || bareException.test(line)) {
      const earlier = hasCause ? clues.findLastIndex((clue) => clue.exception) : -1;
      if (!isHarmless) clues.push({ text, exception: true, afterword: false, cause: earlier === -1 ? null : earlier });
      isHarmless = hasCause = false;
      within = "exception";
    } else {
      const isAfterword = afterword.test(text);
      clues.push({ text, exception: false, afterword: isAfterword, cause: null });
      if (!isAfterword) within = null;
    }
  }
  return lastOf(clues);
}

function lastOf(clues: readonly Clue[]): Clue[] {
  const dropped = Math.max(0, clues.length - keptClues);
  return clues.slice(dropped).map((clue) => {
    const cause = clue.cause === null || clue.cause < dropped ? null : clue.cause - dropped;
    return { ...clue, cause };
  });
}
