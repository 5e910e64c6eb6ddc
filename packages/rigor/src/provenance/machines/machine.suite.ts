import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeFiles } from "../scratch-repository.testing.ts";
import type { Machine } from "./machine.ts";

export interface MachineUnderTest {
  machine: Machine;
  /** An empty directory that the machine sees at the same path. */
  directory: string;
}

const oddName = "a b'c\"$d\\\n-ü";

/** What every kind of machine must answer. */
export function machineSuite(start: () => MachineUnderTest): void {
  test("it says what it is called and what programs it runs", async () => {
    const { machine } = start();
    const { name, os, arch } = await machine.facts();
    expect({ os, arch }, "all machines of these tests run on this one").toEqual({
      os: process.platform,
      arch: process.arch,
    });
    expect(name).toBe(await machine.printed("uname", ["-n"]));
  });

  test("a program is given its arguments as they are, and what it prints is returned", async () => {
    const { machine } = start();
    const words = ["it's", '"$HOME"', "`x`", "a\nb", "", "*", "\\n", "-ü"];
    expect(await machine.printed("printf", ["%s|", ...words])).toBe(words.map((word) => `${word}|`).join(""));
    expect(await machine.printed("sh", ["-c", "echo printed; echo hidden >&2"])).toBe("printed");
  });

  test("a program that is missing or fails printed nothing", async () => {
    const { machine } = start();
    expect(await machine.printed("rigor-no-such-program", [])).toBeNull();
    expect(await machine.printed("sh", ["-c", "echo half; exit 3"])).toBeNull();
  });

  test("the first program that is there is found", async () => {
    const { machine } = start();
    expect(await machine.firstOnPath(["rigor-no-such-program", "git", "sh"])).toBe("git");
    expect(await machine.firstOnPath(["rigor-no-such-program"])).toBeNull();
  });

  test("files are found and read, whatever their names", async () => {
    const { machine, directory } = start();
    writeFiles(directory, { [oddName]: "text\nüber", "empty.txt": "", "in/b.json": '{"b":1}', "in/a.json": "a\n" });
    writeFiles(directory, { "in/c.txt": "no", "in/empty.json": "" });
    symlinkSync("nowhere", join(directory, "dangling"));
    const paths = [oddName, "nothing", "in", "dangling", "empty.txt"].map((name) => join(directory, name));
    expect(await machine.existing(paths)).toEqual([oddName, "in", "empty.txt"].map((name) => join(directory, name)));
    expect(await machine.existing([])).toEqual([]);
    expect(await machine.readText(join(directory, oddName))).toBe("text\nüber");
    expect(await machine.readText(join(directory, "empty.txt"))).toBe("");
    expect(await machine.readText(join(directory, "nothing"))).toBeNull();
    expect(await machine.readTexts(join(directory, "in"), ".json")).toEqual(["a\n", '{"b":1}', ""]);
    expect(await machine.readTexts(join(directory, "nothing"), ".json")).toEqual([]);
  });

  test("many paths are asked about at once", async () => {
    const { machine, directory } = start();
    const paths = Array.from({ length: 5_000 }, (_, index) => join(directory, `a-rather-long-name-of-a-file-${index}`));
    writeFiles(directory, { "a-rather-long-name-of-a-file-4321": "" });
    expect(await machine.existing(paths)).toEqual([join(directory, "a-rather-long-name-of-a-file-4321")]);
  });
}
