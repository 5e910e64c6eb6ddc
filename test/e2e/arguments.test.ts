/** Values reach the command as they stand in the file. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { experiment, UserLab } from "./lab.ts";

const strange = {
  spaces: "  two  words ",
  quotes: `it's "quoted"`,
  dollar: "$HOME ${PATH} $(touch owned) `touch owned`",
  lines: "first\nsecond\n\nfourth\n",
  letters: "Grüße, 漢字, 🎲",
  shell: "a; b & c | d > e * ? [x] ~ # ! \\ %s",
  dash: "-n",
  empty: "",
  tab: "a\tb",
};
const names = Object.keys(strange) as (keyof typeof strange)[];
const report = `import { readFileSync, writeFileSync } from "node:fs";
const said = {
  arguments: process.argv.slice(2),
  parameters: JSON.parse(readFileSync(process.env.RIGOR_PARAMETERS, "utf8")),
  variables: [process.env.RIGOR_ARM, process.env.RIGOR_TASK, process.env.RIGOR_SEED, process.env.STRANGE],
};
writeFileSync(process.env.RIGOR_OUTPUT + "/said.json", JSON.stringify(said));
writeFileSync(process.env.RIGOR_OUTPUT + "/result.json", JSON.stringify({ metrics: { loss: 1 } }));
`;

let lab: UserLab;

beforeAll(() => {
  lab = new UserLab("it's a $repository").init();
  lab.write({ "report.mjs": report });
});
afterAll(() => lab.close());

const placeholders = names.map((name) => `{parameters.${name}}`);

test.each<[string, string | string[]]>([
  ["a shell command", `node report.mjs ${placeholders.join(" ")} {arm} '{task}' "{seed}"`],
  ["a list of arguments", ["node", "report.mjs", ...placeholders, "{arm}", "{task}", "{seed}"]],
])(
  "as arguments of %s, in variables and in the file of parameters [file.arguments-exact] [file.placeholders]",
  async (how, run) => {
    const name = how.replaceAll(" ", "-");
    lab.write({
      "strange.yaml": experiment({
        name,
        run,
        code: ["report.mjs"],
        arms: { one: { parameters: strange } },
        tasks: { "the-task": { parameters: { list: [1, "two", null], nested: { "a b": true } } } },
        seeds: [42],
        environment: { manager: "none", variables: { STRANGE: Object.values(strange).join("|") } },
        outputs: { artifacts: ["said.json"] },
      }),
    });
    const answer = await lab.rigor("run", "strange.yaml");
    expect(answer.status, answer.text).toBe(0);
    const [found] = await lab.runs(name);
    const shown = await lab.json<{ attempt_list: { directory: string }[]; repeat: string }>("show", found?.id ?? "");
    const said = readFileSync(join(shown.attempt_list[0]?.directory ?? "", "output/said.json"), "utf8");
    const expected = {
      arguments: [...Object.values(strange), "one", "the-task", "42"],
      parameters: { ...strange, list: [1, "two", null], nested: { "a b": true } },
      variables: ["one", "the-task", "42", Object.values(strange).join("|")],
    };
    expect(JSON.parse(said)).toEqual(expected);
    expect(lab.git("status", "--porcelain", "--ignored")).not.toContain("owned");
  },
);
