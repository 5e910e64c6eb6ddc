import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkCommand, renderCommand, shellQuote, unfilledNotes, type CommandValues } from "./command.ts";

const values: CommandValues = {
  seed: 7,
  arm: "the arm",
  task: "it's a task",
  parameters: { lr: 1e-7, name: '$HOME `id` "x"', list: [1, "a"], none: null, flag: true, "model.depth": 3 },
  inputs: { corpus: "/data/the corpus.txt" },
  needs: { pretrain: "/data/needs of it/pretrain" },
  output: "/out put",
  run_id: "r1",
  attempt: 2,
  resume: null,
};

function shellOf(run: string, over: Partial<CommandValues> = {}): string {
  const rendered = renderCommand(run, { ...values, ...over });
  if (!("shell" in rendered)) throw new Error("expected a shell command");
  return rendered.shell;
}

const shells = ["/bin/sh", "/bin/dash", "/bin/bash"].filter((shell) => existsSync(shell));

/** Runs a command in which `args` prints its arguments, each followed by a NUL byte. */
function argumentsIn(shell: string, command: string): string[] {
  const script = `args() { for a in "$@"; do printf '%s\\0' "$a"; done; }\n${command}\n`;
  const output = execFileSync(shell, ["-c", script], {
    env: { ...process.env, V: "var", LC_ALL: "C.UTF-8" },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  return output.split("\0").slice(0, -1);
}

/** Text made of what shells give a meaning to. */
const nasty = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "'",
        '"',
        "\\",
        "$",
        "`",
        "\n",
        " ",
        "\t",
        "*",
        "?",
        "~",
        "#",
        "!",
        "{seed}",
        "{a,b}",
        "${V}",
        "$(echo x)",
        "<<EOF\n",
        "EOF\n",
        "&",
        ";",
        "|",
        "-n",
        "%s",
        "é",
        "日本",
        "\u0081",
        "\u0088",
        "😀",
        "\r",
      ),
      fc.string({ unit: "binary" }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join("").replaceAll("\0", "").toWellFormed());

describe.each(shells)("in %s", (shell) => {
  test("any text survives as one argument in all contexts of quoting [file.placeholders] [file.arguments-exact]", () => {
    fc.assert(
      fc.property(nasty, nasty, (arm, name) => {
        const command = shellOf(
          `args {arm} a{arm}b '{arm}' 'x "{arm}" $V' "{arm}" "x '{arm}' $V" "\\"{arm}\\$" \\'{arm} {arm}{parameters.name} ` +
            `"$(echo ')')"{arm} "\`echo y\`{arm}" {arm} # it's a comment\nargs {arm} && args "\${V}{arm}" $$ >/dev/null; args {parameters.name}`,
          { arm, parameters: { name } },
        );
        expect(argumentsIn(shell, command)).toEqual([
          arm,
          `a${arm}b`,
          arm,
          `x "${arm}" $V`,
          arm,
          `x '${arm}' var`,
          `"${arm}$`,
          `'${arm}`,
          `${arm}${name}`,
          `)${arm}`,
          `y${arm}`,
          arm,
          arm,
          name,
        ]);
      }),
      { numRuns: 150 },
    );
  });

  test("any sequence of quotes around placeholders is either refused or filled in exactly [file.placeholders]", () => {
    const pieces = fc.array(
      fc.constantFrom(
        "'",
        '"',
        "\\",
        "{arm}",
        " {arm} ",
        "x",
        " ",
        "#",
        " # ",
        "\n",
        "\\\n",
        "`",
        "$",
        "$V",
        "${V}",
        "$(",
        ")",
        "(",
        "{",
        "}",
        "<<E\n",
        "E\n",
        "$'",
        ";",
        "case a in a) ",
        " esac",
      ),
      { maxLength: 12 },
    );
    const mark = "'\"; args INJECTED #\n$(args INJECTED)`args INJECTED`\\";
    let filled = 0;
    fc.assert(
      fc.property(pieces, (parts) => {
        const run = `args ${parts.join("")}`;
        // `$$` is another number in each process.
        if (
          !run.includes("{arm}") ||
          run.replaceAll("\\\n", "").includes("$$") ||
          checkCommand(run, { parameters: [], inputs: [], needs: [] }).length > 0
        )
          return;
        const outcome = attempt(shell, shellOf(run, { arm: mark }));
        const harmless = attempt(shell, shellOf(run, { arm: "HARMLESS" }));
        filled += 1;
        // Whatever the value is, the shell reads the command in the same way.
        expect(outcome === null).toBe(harmless === null);
        expect(outcome).toEqual(harmless?.map((argument) => argument.replaceAll("HARMLESS", mark)) ?? null);
      }),
      { numRuns: 1500 },
    );
    expect(filled).toBeGreaterThan(50);
  });

  test("a here-document, a function and a loop around placeholders are read as the shell reads them [file.placeholders]", () => {
    const command =
      "cat >/dev/null <<'E' && args {arm}\nit's {a} \"\nE\nf() { args \"$@\"; }\nfor i in 1 2; do f {task} '{arm}'; done\ncase {arm} in *) args {output};; esac";
    const arm = "a\nb'";
    expect(argumentsIn(shell, shellOf(command, { arm }))).toEqual([
      arm,
      values.task,
      arm,
      values.task,
      arm,
      "/out put",
    ]);
  });

  test("quoted text is one word", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        expect(argumentsIn(shell, `args ${shellQuote(text)}`)).toEqual([text]);
      }),
      { numRuns: 50 },
    );
  });
});

/** The arguments that were printed, or null when the shell refuses or fails. */
function attempt(shell: string, command: string): string[] | null {
  try {
    return argumentsIn(shell, command);
  } catch (error) {
    if (error instanceof Error && "status" in error && typeof error.status === "number") return null;
    throw error;
  }
}

test("every placeholder has its value; what is no text is given as JSON [file.placeholders]", () => {
  const run = ["{seed}", "{arm}", "{task}", "{output}", "{run_id}", "{attempt}", "{resume}", "{inputs.corpus}"];
  const parameters = [
    "{parameters.lr}",
    "{parameters.list}",
    "{parameters.none}",
    "{parameters.flag}",
    "--d={parameters.model.depth}",
  ];
  expect(renderCommand([...run, ...parameters], values)).toEqual({
    argv: [
      "7",
      "the arm",
      "it's a task",
      "/out put",
      "r1",
      "2",
      "",
      "/data/the corpus.txt",
      "1e-7",
      '[1,"a"]',
      "null",
      "true",
      "--d=3",
    ],
  });
});

test("an argument list is passed exactly [file.arguments-exact]", () => {
  fc.assert(
    fc.property(
      fc.array(
        nasty.map((text) => text.replaceAll("{", "")),
        { minLength: 1 },
      ),
      (run) => {
        expect(renderCommand(run, values)).toEqual({ argv: run });
      },
    ),
  );
});

test.each([
  ["${seed}"],
  ["{a,b}"],
  ["${V:-x}"],
  ["{}"],
  ["{unknown}"],
  ["{{.Names}}"],
  ["{ seed }"],
  ["\\{seed}"],
  ["awk '{print $1}'"],
  ["{seed"],
])("the braces of %s are left alone [file.placeholders]", (run) => {
  expect(shellOf(run)).toBe(run);
});

test("double braces give the text of a placeholder [file.placeholders]", () => {
  expect(shellOf("echo {{seed}} '{{parameters.x}}' {\"a\":{seed}}")).toBe("echo {seed} '{parameters.x}' {\"a\":'7'}");
  expect(renderCommand(["{{seed}}"], values)).toEqual({ argv: ["{seed}"] });
});

test.each([
  [
    "echo $(train {seed})",
    "inside `$( )`, where it cannot be quoted safely; use the environment variable `$RIGOR_SEED`",
  ],
  ["echo $(( {seed} + 1 ))", "`$RIGOR_SEED`"],
  [
    "echo `train {arm}`",
    "inside backquotes, where it cannot be quoted safely; use the environment variable `$RIGOR_ARM`",
  ],
  ['echo "$(train "{task}")"', "`$RIGOR_TASK`"],
  [
    "cat <<EOF\n{parameters.lr}\nEOF",
    "inside a here-document, where it cannot be quoted safely; write `lr={parameters.lr}` on a line of its own before, and use `$lr`",
  ],
  ["train # {seed}", "inside a comment"],
  ["echo ${X:-{seed}}", "after a `${...}` that holds quotes or braces"],
  ["echo $(case a in a) echo;; esac) {seed}", "after a `$( )` that holds `case`"],
  ["echo $\\\n(echo {seed})", "after `$` at the end of a line that goes on"],
  ["echo `echo 'x'` {seed}", "after backquotes that hold quotes"],
  ["echo $'a\\'b' {seed}", "after `$'`"],
  ["echo 'never closed {seed}", "a single quote is never closed"],
  ['echo "never closed', "a double quote is never closed"],
  ["echo `never closed", "a backquote is never closed"],
  ["train {parameters.rl}", "`{parameters.rl}` names no parameter of every run; did you mean `{parameters.lr}`?"],
  ["train {inputs.corpora}", "did you mean `{inputs.corpus}`?"],
  ["train {parameters.constructor}", "`{parameters.constructor}` names no parameter"],
])("%j is refused [file.placeholders]", (run, expected) => {
  expect(() => renderCommand(run, values)).toThrow(
    expect.objectContaining({ code: "file-invalid", message: expect.stringContaining(expected) }),
  );
});

test("a problem in a list names its argument", () => {
  expect(checkCommand(["train", "{parameters.x}"], { parameters: ["y"], inputs: [], needs: [] })).toEqual([
    { argument: 1, problem: expect.stringContaining("`{parameters.x}` names no parameter of every run") },
  ]);
});

test("a NUL byte is refused in the command and in values [file.arguments-exact]", () => {
  for (const run of ["echo {arm}", ["echo", "{arm}"]]) {
    expect(() => renderCommand(run, { ...values, arm: "a\0b" })).toThrow("the value of `{arm}` has one");
  }
  expect(() => renderCommand("echo \0", values)).toThrow("the command has one");
});

describe("words in braces that are no placeholders", () => {
  const names = { parameters: ["lr"], inputs: ["corpus"], needs: [] };

  test.each([
    ["train --seed {sede}", "`{sede}` in `run` is no placeholder and stays as it is; is `{seed}` meant?"],
    ["train --lr '{lr}'", "`{lr}` in `run` is no placeholder and stays as it is; is `{parameters.lr}` meant?"],
    [["train", "{corpus}"], "`{corpus}` in `run` is no placeholder and stays as it is; is `{inputs.corpus}` meant?"],
  ])("are noted where one may be meant: %j [file.placeholders]", (run, note) => {
    expect(unfilledNotes(run, names)).toEqual([note]);
  });

  test.each(["train {seed} {parameters.lr}", "echo ${lr} {{seed}} {{lr}}", "awk '{print}' {a,b} {1..3} '{name}'"])(
    "are left alone else: %s [file.placeholders]",
    (run) => expect(unfilledNotes(run, names)).toEqual([]),
  );
});
