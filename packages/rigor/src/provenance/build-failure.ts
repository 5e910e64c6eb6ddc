import { RigorError, type ErrorCode } from "../domain/errors.ts";

// What follows from how a build ended and what it wrote. Pure.

export interface FailedBuild {
  /** What failed: a command, or a step before the first one. */
  step: string;
  /** How it ended, for people. */
  end: string;
  last_lines: readonly string[];
  /** Where the whole log is, for people. */
  log: string;
}

/** Lines at the end of a build's output in which the reason of its failure is looked for. */
export const keptLines = 400;

const shownLines = 20;

/** A known reason of failures. */
interface Reason {
  /** `environment` where a change of the committed files mends it; else something is wrong with the machine. */
  code: Extract<ErrorCode, "environment" | "storage" | "network">;
  next: string;
  /** Finds the line that proves it. @returns its place; -1 where none does */
  find: (lines: readonly string[]) => number;
}

/** @param patterns what a program writes at the beginning of a line when it gives up */
const anyLine =
  (...patterns: readonly RegExp[]) =>
  (lines: readonly string[]): number =>
    lines.findIndex((line) => patterns.some((pattern) => pattern.test(line)));

/** Status codes of an index that is not well. */
const unwell = "(?:429|50[0234])";
/** Exit statuses of curl that tell of the network. */
const curlFaults = "(?:5|6|7|16|18|28|35|52|55|56|92)";

/**
 * The network, in the words of programs that gave up because of it. What they only warn of, they may have survived; and a
 * package may write anything about networks while it is built.
 */
const networkVerdicts = anyLine(
  new RegExp(
    `^npm (?:ERR!|error) code (?:ECONN(?:REFUSED|RESET|ABORTED)|ETIMEDOUT|E(?:HOST|NET)UNREACH|EAI_AGAIN|ENOTFOUND|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT|E${unwell})$`,
  ),
  /^ERROR: Could not install packages due to an OSError: (?:HTTPS?ConnectionPool\(host=.*\): (?:Max retries exceeded|Read timed out)|.*\bConnection (?:reset by peer|refused|aborted))/,
  new RegExp(`^ERROR: (?:HTTP error|Could not install requirement .* because of HTTP error) ${unwell} `),
  /^pip\._vendor\.(?:urllib3|requests)\.(?:packages\.)?(?:\w+\.)*(?:(?:Read|Connect)Timeout(?:Error)?|ConnectionError|NewConnectionError|MaxRetryError|ProtocolError|ProxyError|ChunkedEncodingError|IncompleteRead)\b/,
  new RegExp(
    String.raw`^(?:Caused by: |[├╰]─▶ )(?:Could not connect, are you offline\?|error sending request for url |client error \((?:Connect|SendRequest)\)|dns error: |tcp connect error|operation timed out|Failed to download distribution due to network timeout|HTTP status server error \(${unwell} )`,
  ),
  new RegExp(`^CondaHTTPError: HTTP (?:000 CONNECTION FAILED|${unwell}) `),
  new RegExp(String.raw`^(?:(?:critical|error)\s+libmamba .*)?\bDownload error \(${curlFaults}\) `),
  /^fatal: unable to access '[^']+': (?!The requested URL returned error: 4)/,
);

/** Programs of a `setup` after whose failure the setup may have gone on. curl writes behind its progress. */
const lastWords = new RegExp(
  String.raw`(?:^|:--\s+\d+)curl: \(${curlFaults}\) |^wget: unable to resolve host address |^Connecting to .* failed: (?:Connection refused|Connection timed out|No route to host)\.$`,
);

function findLastWords(lines: readonly string[]): number {
  const last = lines.findLastIndex((line) => line !== "");
  return lastWords.test(lines[last] ?? "") ? last : -1;
}

const lastRetry = /^WARNING: Retrying \(Retry\(total=0, .* after connection broken by .*: \S*\/([^/\s]+)\/$/;

/**
 * pip says of a package whose index it could not ask the same as of one that does not exist. The difference is that it had
 * used up its retries for this very package before.
 */
function findSilentIndex(lines: readonly string[]): number {
  const verdict = lines.findLastIndex((line) => line.startsWith("ERROR: No matching distribution found for "));
  const wanted = /^ERROR: No matching distribution found for ([\w.-]+)/.exec(lines[verdict] ?? "")?.[1];
  if (wanted === undefined) return -1;
  return lines.findLastIndex(
    (line, index) => index < verdict && projectOf(lastRetry.exec(line)?.[1]) === projectOf(wanted),
  );
}

/** A name as indexes spell it. */
const projectOf = (name: string | undefined): string | undefined => name?.toLowerCase().replaceAll(/[-_.]+/g, "-");

const reasons: readonly Reason[] = [
  {
    code: "storage",
    next: "The disk or its inodes are full, or a quota is reached: free space where environments are kept.",
    find: anyLine(
      /^npm (?:ERR!|error) code (?:ENOSPC|EDQUOT)$/,
      /(?:^|: |\] )(?:No space left on device|Disk quota exceeded)(?=$|[:,.;'"])/,
    ),
  },
  {
    code: "network",
    next: "A package index or server cannot be reached from there: check the network, the proxy and the address.",
    find: (lines) =>
      [networkVerdicts, findSilentIndex, findLastWords].map((find) => find(lines)).find((place) => place !== -1) ?? -1,
  },
  {
    code: "environment",
    next: "Run `npm install`, commit package-lock.json, and start again.",
    find: anyLine(/can only install packages when your package\.json and package-lock\.json/i),
  },
  {
    code: "environment",
    next: "Install Python's venv module (python3-venv on Debian), then start again.",
    find: anyLine(/ensurepip is not available|No module named ensurepip/i),
  },
];

/**
 * The error of a build that failed. It is the environment's, which is a matter of the committed files, unless a line proves
 * that the machine or its network was at fault.
 */
export function buildFailure({ step, end, last_lines, log }: FailedBuild): RigorError {
  const lines = last_lines.map((line) => line.trim());
  const found = reasons.map((reason) => ({ ...reason, place: reason.find(lines) })).find(({ place }) => place !== -1);
  // Some tools print their whole usage after the line that matters.
  const shown =
    found === undefined ? last_lines.slice(-shownLines) : last_lines.slice(found.place, found.place + shownLines);
  return new RigorError(
    found?.code ?? "environment",
    `The environment could not be built: ${step}: ${end}\n${shown.join("\n")}\nThe whole log: ${log}`,
    { next: found?.next ?? "Make the command succeed in a fresh clone of the repository, commit, and start again." },
  );
}
