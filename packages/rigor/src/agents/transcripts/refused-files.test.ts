import { expect, test } from "vitest";
import type { TranscriptRecord } from "./entry.ts";
import { refusedFiles } from "./refused-files.ts";

const said = (text: string): TranscriptRecord => ({
  time: "2026-01-01T00:00:00.000Z",
  source: [1, 1],
  entry: { kind: "tool-result", id: "1", text, error: true },
});
const there = new Set(["/home/ada/.ssh/id_ed25519", "/lab/rigor.db", "/own/notes.txt", "/lab"]);
const sight = { own: ["/own", "/lab/sessions/7"], isThere: (path: string) => there.has(path) };
const whys = (...texts: string[]) => refusedFiles(texts.map(said), sight).map(({ why }) => why);

test.each([
  ["cat", "cat: /home/ada/.ssh/id_ed25519: No such file or directory"],
  ["a shell", "bash: line 1: /home/ada/.ssh/id_ed25519: No such file or directory"],
  ["Node", "Error: ENOENT: no such file or directory, open '/home/ada/.ssh/id_ed25519'"],
  ["Python", "FileNotFoundError: [Errno 2] No such file or directory: '/home/ada/.ssh/id_ed25519'"],
])("a file that is there and was kept from %s is on record [session.refused]", (_, line) => {
  expect(whys(`before\n${line}\nafter`)).toEqual(["/home/ada/.ssh/id_ed25519 is there, and was not shown."]);
});

test.each([
  ["touch", "touch: cannot touch '/etc/passwd': Read-only file system", "/etc/passwd: Read-only file system."],
  ["a shell", "sh: 1: cannot create /usr/x: Permission denied", "/usr/x: Permission denied."],
  ["Node", "Error: EROFS: read-only file system, open '/usr/x'", "/usr/x: read-only file system."],
  ["its own workspace", "rm: cannot remove '/own/a.txt': Read-only file system", "/own/a.txt: Read-only file system."],
  [
    "its own directory",
    "touch: cannot touch 'a.txt': Read-only file system",
    "touch: cannot touch 'a.txt': Read-only file system",
  ],
])("what was not to be written is on record, as told by %s [session.refused]", (_, line, why) => {
  expect(whys(line)).toEqual([why]);
});

test("what is nowhere, or the session's own, was not refused [session.refused]", () => {
  expect(whys("cat: /nowhere/at/all: No such file or directory")).toEqual([]);
  expect(whys("cat: /own/notes.txt: No such file or directory")).toEqual([]);
  expect(whys("cat: notes.txt: No such file or directory", "see https://example.org/lab: Permission granted")).toEqual(
    [],
  );
  expect(refusedFiles([{ ...said(""), entry: { kind: "text", text: "/usr/x: Permission denied" } }], sight)).toEqual(
    [],
  );
});

test("each file is told once, and not more of them than a person reads [session.refused]", () => {
  const line = (index: number) => `cat: /etc/${index}: Permission denied`;
  expect(whys(line(1), line(1))).toHaveLength(1);
  const many = whys(...Array.from({ length: 50 }, (_, index) => line(index)));
  expect(many).toHaveLength(21);
  expect(many.at(-1)).toBe("It was refused 30 more files.");
});
