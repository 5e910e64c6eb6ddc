import { describe, expect, test } from "vitest";
import { buildProgram } from "./program.ts";
import type { CommandSpecification } from "./specification.ts";
import { specifications } from "./specifications/all.ts";

interface Call {
  name: string;
  words: string[];
  options: Record<string, unknown>;
}

async function parse(words: string[]): Promise<Call> {
  const calls: Call[] = [];
  const program = buildProgram(specifications, async (specification, args, options) => {
    calls.push({ name: specification.name, words: args, options });
  });
  await program.parseAsync(words, { from: "user" });
  const [call] = calls;
  if (call === undefined) throw new Error("no command was called");
  return call;
}

function helpOf({ name }: CommandSpecification): string {
  const program = buildProgram(specifications, async () => undefined);
  const command = program.commands.find((one) => one.name() === name);
  let text = "";
  command?.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return text;
}

const documented =
  "init run plan status list show logs results rerun cancel hold release issue inbox approve reject answer session investigate investigation export document edit compute backup doctor up down events completion".split(
    " ",
  );

describe("commands [cli.commands]", () => {
  test("are all that is documented", () => {
    expect(specifications.map(({ name }) => name).sort()).toEqual(documented.sort());
  });

  test.each(specifications)("$name has help with a sentence, options, JSON and examples", (specification) => {
    const help = helpOf(specification);
    expect(help).toContain(`Usage: rigor ${specification.name}`);
    expect(help.replace(/\s+/g, " ")).toContain(specification.description);
    expect(help).toContain("--json");
    expect(specification.examples.length).toBeGreaterThan(0);
    for (const [command] of specification.examples) expect(help).toContain(command);
    for (const [status] of specification.exits ?? []) expect(help).toContain(`\n  ${status} `);
  });

  test.each(specifications)("$name loads", async ({ load }) => {
    expect((await load()).execute).toBeTypeOf("function");
  });

  test.each(specifications.flatMap(({ examples }) => examples.map(([command]) => command)))(
    "the example `%s` can be parsed",
    async (example) => {
      const command = /rigor ((?:"[^"]*"|[^)">|])+)/.exec(example)?.[1] ?? "";
      const words = Array.from(command.trim().matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, bare]) => quoted ?? bare ?? "");
      expect((await parse(words)).name).toBe(words[0]);
    },
  );
});

describe("options", () => {
  test("are read into numbers, seconds and lists of states", async () => {
    const release = await parse(["release", "x", "--wall", "1h30m", "--gpu-hours", "2.5", "--without-failed"]);
    expect(release.options).toEqual({ wall: 5400, gpuHours: 2.5, withoutFailed: true });
    const list = await parse(["list", "x", "--failed", "--held", "--seed", "-3"]);
    expect(list).toEqual({ name: "list", words: ["x"], options: { failed: true, held: true, seed: -3 } });
  });

  test.each([
    ["an unknown command", ["rnu"], "Did you mean run?"],
    ["an unknown option", ["list", "--faild"], "Did you mean --failed?"],
    ["a missing argument", ["run"], "missing required argument 'FILE'"],
    ["a number that is none", ["list", "--limit", "many"], "Expected a whole number."],
    ["a time that is none", ["release", "x", "--wall", "2q"], "Expected a duration such as 10m"],
    ["a choice that is none", ["export", "x", "--format", "xls"], "Allowed choices are csv, markdown, latex."],
    ["too many words", ["show", "a", "b"], "too many arguments"],
  ])("%s is refused with a hint", async (_, words, hint) => {
    await expect(parse(words)).rejects.toThrow(hint);
  });
});
