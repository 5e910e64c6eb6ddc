import type { Client } from "../../api/contract/contract.ts";
import type { FiledIssue, IssueSummary } from "../../api/contract/views/issues.ts";
import type { Context } from "../context.ts";
import type { Invocation } from "../invocation.ts";
import { lookOf } from "../views/look.ts";
import { filedLines, issueLine, issueStory, issueTable } from "../views/issue.ts";

const backends = ["claude-code", "codex", "acp", "human"] as const;
const kinds = ["experiment", "code", "analysis", "survey"] as const;

export async function execute(context: Context, invocation: Invocation): Promise<number> {
  const { client } = await context.lab();
  const project = process.cwd();
  const action = invocation.word(0) ?? "list";
  if (action === "list") {
    const { issues } = await client.issues.list({ project, all: invocation.flag("all") });
    await context.answer({ issues }, (safe) =>
      safe.issues.length === 0
        ? ['No issue is open. File one: rigor issue new "QUESTION"']
        : issueTable(safe.issues, lookOf(context)),
    );
    return 0;
  }
  if (action === "new") {
    await context.answer(await file(client, project, invocation), filedLines);
    return 0;
  }
  const number = issueNumber(invocation);
  if (action === "show") {
    await context.answer(await client.issues.get({ project, number }), (story) => issueStory(story, lookOf(context)));
    return 0;
  }
  await context.answer(await steer(client, action, { project, number }, invocation), issueLine);
  return 0;
}

async function file(client: Client, project: string, invocation: Invocation): Promise<FiledIssue> {
  const text = invocation.word(1);
  if (text === undefined || text.trim() === "") throw invocation.usageError("Say what the issue is about.");
  const parent = invocation.number("parent");
  const kind = kinds.find((one) => one === invocation.text("kind")) ?? "experiment";
  const backend = backends.find((one) => one === invocation.text("backend"));
  const title = invocation.text("title") ?? titleOf(text);
  const change = changeOf(invocation);
  return client.issues.file({
    ...{ project, kind, title, text },
    ...(backend === undefined ? {} : { backend }),
    ...(parent === undefined ? {} : { parent }),
    ...(change === undefined ? {} : { change }),
  });
}

/** `VARIABLE=VALUE` as its parts. */
function changeOf(invocation: Invocation): { variable: string; to: string } | undefined {
  const words = invocation.text("change");
  if (words === undefined) return undefined;
  const [, variable, to] = /^([^=]+)=(.+)$/s.exec(words) ?? [];
  if (variable === undefined || to === undefined) {
    throw invocation.usageError(`Expected VARIABLE=VALUE, such as "seeds=[0, 1, 2]"; found ${JSON.stringify(words)}.`);
  }
  return { variable: variable.trim(), to: to.trim() };
}

/** The first line of a text, cut at a word. */
function titleOf(text: string): string {
  const [line = ""] = text.trim().split("\n");
  return line.length <= 100 ? line : `${line.slice(0, 100).replace(/\s+\S*$/, "")}…`;
}

async function steer(
  client: Client,
  action: string,
  place: { project: string; number: number },
  invocation: Invocation,
): Promise<IssueSummary> {
  const reason = invocation.text("message");
  const why = reason === undefined ? {} : { reason };
  const text = invocation.word(2);
  switch (action) {
    case "accept":
      return client.issues.accept(place);
    case "hold":
      return client.issues.hold({ ...place, ...why });
    case "resume":
      return client.issues.resume({ ...place, ...why });
    case "cancel":
      return client.issues.cancel({ ...place, ...why });
    case "waive": {
      const concern = Number(text);
      if (!Number.isInteger(concern) || concern < 1) throw invocation.usageError("Name the number of the concern.");
      if (reason === undefined) throw invocation.usageError('A waiver needs a reason: -m "..."');
      return client.issues.waive({ ...place, concern, reason });
    }
    default:
      if (text === undefined || text.trim() === "") throw invocation.usageError("Say what the comment is.");
      return client.issues.comment({ ...place, text });
  }
}

function issueNumber(invocation: Invocation): number {
  const number = Number(invocation.word(1));
  if (Number.isInteger(number) && number > 0) return number;
  throw invocation.usageError("Name the number of an issue; `rigor issue` lists them.");
}
