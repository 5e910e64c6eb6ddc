import type { Client } from "../../api/contract/contract.ts";
import type { ComputeView, Finding } from "../../api/contract/views/computes.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../views/look.ts";
import { computeFacts, computeLines, findingLines } from "../views/compute.ts";

const usualRest = 3_600;

/** The actions that each option means something to. An option that is passed over would say what does not hold. */
const optionsOf = { for: ["rest"], wait: ["check"], message: ["rest", "drain"] } as const;

interface Checked {
  compute: ComputeView;
  findings: Finding[];
}

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const action = invocation.word(0) ?? "list";
  const name = invocation.word(1);
  refuseOtherOptions(action, invocation);
  const { client } = await context.lab();
  const repository = process.cwd();
  if (action === "list") {
    const computes = name === undefined ? await all(client, repository) : [await show(client, { repository, name })];
    await context.answer({ computes }, (answer) => computeLines(answer.computes, lookOf(context)));
    return 0;
  }
  if (action === "check") return await check(context, client, repository, invocation);
  if (name === undefined) throw invocation.usageError(`Name the compute to ${action}.`);
  await context.answer(await steer(client, action, { repository, name }, invocation), (compute) =>
    computeFacts(compute, lookOf(context)),
  );
  return 0;
}

/** @throws RigorError `usage` where an option is given that the action has no use for */
function refuseOtherOptions(action: string, invocation: Invocation): void {
  for (const [option, actions] of Object.entries(optionsOf)) {
    const isGiven = invocation.text(option) !== undefined || invocation.number(option) !== undefined;
    if (isGiven && !actions.some((one) => one === action)) {
      throw invocation.usageError(`--${option} goes with ${actions.join(" and ")}, not with ${action}.`);
    }
  }
}

async function steer(
  client: Client,
  action: string,
  named: { repository: string; name: string },
  invocation: Invocation,
): Promise<ComputeView> {
  const text = invocation.text("message");
  const message = text === undefined ? {} : { message: text };
  switch (action) {
    case "rest":
      return await client.computes.rest({ ...named, ...message, seconds: invocation.number("for") ?? usualRest });
    case "drain":
      return await client.computes.drain({ ...named, ...message });
    case "use":
      return await client.computes.use(named);
    default:
      return await show(client, named);
  }
}

async function all(client: Client, repository: string): Promise<ComputeView[]> {
  return (await client.computes.list({ repository })).computes;
}

async function show(client: Client, { repository, name }: { repository: string; name: string }): Promise<ComputeView> {
  const computes = await all(client, repository);
  const found = computes.find((one) => one.name === name);
  if (found !== undefined) return found;
  throw new RigorError("not-found", `There is no compute named ${name}.`, {
    next: `Add it under \`compute\` in rigor.yaml, or use one of: ${computes.map((one) => one.name).join(", ")}.`,
  });
}

/** One of them, or all; one after the other, each told as soon as it is known. */
async function check(context: Context, client: Client, repository: string, invocation: Invocation): Promise<number> {
  const wait = invocation.number("wait");
  const one = invocation.word(1);
  const names = one === undefined ? (await all(client, repository)).map(({ name }) => name) : [one];
  const checked: Checked[] = [];
  for (const name of names) {
    const answer = await client.computes.check({ repository, name, ...(wait === undefined ? {} : { wait }) });
    checked.push(answer);
    if (!context.json) await context.answer(answer, (safe) => findingLines(name, safe.findings, lookOf(context)));
  }
  if (context.json) await context.answer({ checked }, () => []);
  return checked.every(({ findings }) => findings.every(({ ok }) => ok)) ? 0 : 1;
}
