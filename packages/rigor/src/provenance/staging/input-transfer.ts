import { posix } from "node:path";
import { RigorError } from "../../domain/errors.ts";
import { bytes } from "../../domain/format/numbers.ts";
import { quote } from "../../hosts/quote.ts";
import { changedInput, type InputContent, type InputFile } from "../inputs.ts";
import { readRange } from "./read-range.ts";
import { tarArchive, type TarEntry } from "./tar.ts";
import { firstPiece, upload } from "./upload.ts";
import { longTimeout, type Kept, type WorkDirectory } from "./work-directory.ts";

/** An input on its way to a host. */
export interface InputTransfer {
  /** As the experiment calls it. */
  name: string;
  content: InputContent;
  /** Absolute paths on the host: where it will be, and where it grows. */
  target: string;
  partial: string;
  say: (what: string) => void;
  /** What the input is now, read as a whole. */
  readAgain: () => Promise<InputContent>;
}

/** Small files that are sent together. */
const mostFiles = 2_000;

/** Bytes per second that a slow disk hashes. */
const hashRate = 20e6;

/** Status of a script for a file that is missing or cannot be read. */
const otherContent = 65;

/** Sets hasher to what prints a SHA-256 and the name of a file. */
const hasher = `if command -v sha256sum >/dev/null 2>&1; then
  hasher=sha256sum
elif command -v shasum >/dev/null 2>&1; then
  hasher='shasum -a 256'
else
  echo 'neither sha256sum nor shasum is on PATH' >&2
  exit 69
fi`;

/** Sends an input and gives it its name when the host has hashed it to what it must be. */
export async function sendInput(directory: WorkDirectory, transfer: InputTransfer): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await sendContent(directory, transfer);
    if (await isWhole(directory, transfer)) break;
    // A crash of the host, or a file that changed here while it was sent.
    const remove = `discard ${quote(transfer.partial)}\nrm -f ${quote(sentFile(transfer))}`;
    await directory.run({ what: "removing a damaged input", script: remove, timeout: longTimeout });
    const { sha256, files } = await transfer.readAgain();
    if (sha256 !== transfer.content.sha256) throw changedInput(transfer.name, files[0]?.absolute ?? transfer.name);
    if (attempt === 2) {
      throw new RigorError("storage", `input ${transfer.name} arrived damaged on ${directory.host}, twice`, {
        next: `Look at the disk of ${directory.root} on ${directory.host}.`,
      });
    }
  }
  const script = `partial=${quote(transfer.partial)}
if [ -e "$partial" ]; then chmod -R u+rX,a-w "$partial"; fi
place "$partial" ${quote(transfer.target)}
rm -f ${quote(sentFile(transfer))}`;
  await directory.run({ what: "naming an input", script, timeout: longTimeout });
}

/** How many groups of small files of a directory have arrived. */
const sentFile = ({ partial }: InputTransfer): string => `${partial}.sent`;

async function sendContent(directory: WorkDirectory, transfer: InputTransfer): Promise<void> {
  const { content, partial } = transfer;
  const told = progress(directory, transfer);
  if (content.kind === "file") {
    for (const file of content.files) await sendFile(directory, transfer, file, partial, told);
    return;
  }
  const groups = groupsOf(content.files.filter((file) => file.size <= firstPiece));
  const arrived = await groupsThere(directory, transfer);
  for (const [index, group] of groups.entries()) {
    if (index >= arrived) await sendGroup(directory, transfer, group, index + 1);
    told(group.reduce((total, file) => total + file.size, 0));
  }
  for (const file of content.files.filter(({ size }) => size > firstPiece)) {
    await sendFile(directory, transfer, file, posix.join(partial, file.path), told);
  }
}

function progress(directory: WorkDirectory, { name, content, say }: InputTransfer): (count: number) => void {
  const total = content.files.reduce((sum, file) => sum + file.size, 0);
  let sent = 0;
  return (count) => {
    sent += count;
    say(`copying input ${name} to ${directory.host}: ${bytes(Math.min(sent, total))} of ${bytes(total)}`);
  };
}

async function sendFile(
  directory: WorkDirectory,
  { name, content }: InputTransfer,
  file: InputFile,
  target: string,
  onPiece: (count: number) => void,
): Promise<void> {
  const what = `receiving input ${name}`;
  const used: Kept = { kind: "inputs", name: content.sha256 };
  await upload(directory, { what, source: file.absolute, size: file.size, target, used, onPiece });
  if (file.executable) await directory.run({ what, script: `chmod u+x ${quote(target)}` });
}

/** Small files in the order in which they are always sent. */
function groupsOf(files: readonly InputFile[]): InputFile[][] {
  const groups: InputFile[][] = [];
  let size = 0;
  for (const file of files) {
    const group = groups.at(-1);
    if (group !== undefined && group.length < mostFiles && size + file.size <= firstPiece) {
      group.push(file);
      size += file.size;
    } else {
      groups.push([file]);
      size = file.size;
    }
  }
  return groups;
}

async function groupsThere(directory: WorkDirectory, transfer: InputTransfer): Promise<number> {
  const script = `partial=${quote(transfer.partial)}
sent=${quote(sentFile(transfer))}
if [ ! -d "$partial" ]; then
  rm -f "$sent"
  mkdir -p "$partial"
fi
if [ -f "$sent" ]; then cat "$sent"; else echo 0; fi`;
  return Number(await directory.run({ what: `receiving input ${transfer.name}`, script })) || 0;
}

async function sendGroup(
  directory: WorkDirectory,
  transfer: InputTransfer,
  group: readonly InputFile[],
  number: number,
): Promise<void> {
  const files = group.map(({ path, size, executable, absolute }): TarEntry => {
    return { type: "file", name: Buffer.from(path), size, executable, content: () => readRange(absolute, 0, size) };
  });
  const script = `used inputs ${quote(transfer.content.sha256)}
sent=${quote(sentFile(transfer))}
cd ${quote(transfer.partial)}
tar -xzf -
echo ${number} >"$sent.next"
mv -f "$sent.next" "$sent"`;
  const what = `receiving input ${transfer.name}`;
  await directory.run({ what, script, input: () => tarArchive(files), timeout: longTimeout });
}

/** Whether the host, which reads all that arrived, finds what was meant to be sent. */
async function isWhole(directory: WorkDirectory, { name, content, partial }: InputTransfer): Promise<boolean> {
  const what = `checking input ${name}`;
  const timeout = 300 + content.files.reduce((total, file) => total + file.size, 0) / hashRate;
  if (content.kind === "file") {
    const script = `${hasher}\n$hasher <${quote(partial)}`;
    return (await directory.run({ what, script, timeout })).startsWith(`${content.sha256} `);
  }
  const names = content.files.map((file) => `./${file.path}`);
  const script = `cd ${quote(partial)}
${hasher}
# shellcheck disable=SC2086 # a program and its options
${names.length === 0 ? "" : `xargs -0 $hasher || exit ${otherContent}`}
echo
find . -type f -print0 | tr -dc '\\000' | wc -c
find . -type f -perm -0100 -print0 | tr -dc '\\000' | wc -c`;
  const input = () => [Buffer.from(names.map((path) => `${path}\0`).join(""))];
  const answer = await directory.ask({ what, script, input, timeout });
  if (answer.status === otherContent) return false;
  if (answer.status !== 0) throw directory.failure(what, answer);
  const listed = content.files.map((file, index) => ({ name: names[index] ?? "", sha256: file.sha256 }));
  const rest = withoutHashes(answer.stdout.toString("utf8"), listed);
  const [files, executables] = rest?.trim().split(/\s+/).map(Number) ?? [];
  return files === names.length && executables === content.files.filter((file) => file.executable).length;
}

/**
 * What follows the lines of the right hashes in the right order; null where one of them is another. A name with a line
 * break or a backslash is printed with escapes by some programs, and as it is by others.
 */
function withoutHashes(text: string, listed: readonly { name: string; sha256: string }[]): string | null {
  let at = 0;
  for (const { name, sha256 } of listed) {
    const escaped = name.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
    const lines = [
      `${sha256}  ${name}\n`,
      `\\${sha256}  ${escaped}\n`,
      `\\${sha256}  ${escaped.replaceAll("\\r", "\r")}\n`,
    ];
    const line = lines.find((one) => text.startsWith(one, at));
    if (line === undefined) return null;
    at += line.length;
  }
  return text.slice(at);
}
