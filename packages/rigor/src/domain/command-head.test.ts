import { describe, expect, test } from "vitest";
import { commandHead, wordTexts, type PlacedWord } from "./command-head.ts";

const runs = [
  { seed: 1, arm: "one", task: "t", parameters: { file: "a.py" } },
  { seed: 2, arm: "two", task: "t", parameters: { file: "b.py" } },
];
const texts = (placed: PlacedWord | null) => (placed === null ? null : [...wordTexts(placed.word, runs)].join(" "));

/** Program, script and directory of a command, as far as they are known. */
function known(run: string | string[]): (string | null)[] {
  const { program, script, directory } = commandHead(run);
  return [texts(program), texts(script), directory];
}

describe("the beginning of an argument list [job.missing-command]", () => {
  test.each<[string[], (string | null)[]]>([
    [
      ["./train", "{seed}"],
      ["./train", null, "."],
    ],
    [
      ["python", "-u", "train.py", "-m", "x"],
      ["python", "train.py", "."],
    ],
    [
      ["python3.12", "-m", "train"],
      ["python3.12", null, "."],
    ],
    [
      ["{parameters.file}", "x"],
      ["a.py b.py", null, "."],
    ],
    [
      ["node", "--max-old-space-size=100", "train.ts"],
      ["node", "train.ts", "."],
    ],
    [
      ["node", "--import", "./hook.ts", "train.ts"],
      ["node", null, "."],
    ],
    [
      ["sh", "-eu", "{arm}.sh"],
      ["sh", "one.sh two.sh", "."],
    ],
    [
      ["bash", "-c", "python x.py"],
      ["bash", null, "."],
    ],
    [
      ["{output}/built", "x"],
      ["", null, "."],
    ],
  ])("%j", (run, expected) => expect(known(run)).toEqual(expected));

  test("tells the arguments that hold it", () => {
    const { program, script } = commandHead(["python", "-u", "train.py"]);
    expect([program?.argument, script?.argument]).toEqual([0, 2]);
  });
});

describe("the beginning of a shell command [job.missing-command]", () => {
  test.each<[string, (string | null)[]]>([
    ["python train.py --seed {seed}", ["python", "train.py", "."]],
    ["  # why\n\nset -e\npython train.py\npython rate.py", ["python", "train.py", "."]],
    ["cd src && python train.py", ["python", "train.py", "./src"]],
    ["CUDA_VISIBLE_DEVICES=0 PYTHONPATH=$PWD/src python 'my train.py'", ["python", "my train.py", "."]],
    ['export A=1 && exec env B="$HOME" python train.py 2>&1 | tee log', ["python", "train.py", "."]],
    ['python \\\n  train.py --data data/*.csv --x "{parameters.file}"', ["python", "train.py", "."]],
    ["python {arm}.py > log", ["python", "one.py two.py", "."]],
    ['"{parameters.file}" && python b.py', ["a.py b.py", null, "."]],
    ["sh run.sh {seed} && echo 'a'", ["sh", "run.sh", "."]],
    ["python train.py\n", ["python", "train.py", "."]],
  ])("%j", (run, expected) => expect(known(run)).toEqual(expected));

  test.each([
    "pyton train.py || python train.py",
    "nvidia-smi; python train.py",
    "nvidia-smi\npython train.py",
    "server & python train.py",
    "if pyton train.py; then x; fi",
    "! pyton train.py",
    "(pyton train.py)",
    "{ pyton train.py; }",
    "train() { python train.py; }; train",
    "$PYTHON train.py",
    "$(which pyton) train.py",
    "PATH=$PWD/bin:$PATH pyton train.py",
    "export PATH=$PWD/bin && pyton train.py",
    ". ./activate && pyton train.py",
    "test -f x && pyton train.py",
    "set -e; set +e; pyton x; python y",
    "`pyton` train.py",
    "{output}/built",
    "",
  ])("is not known of %j", (run) => expect(texts(commandHead(run).program) ?? "").toBe(""));
});
