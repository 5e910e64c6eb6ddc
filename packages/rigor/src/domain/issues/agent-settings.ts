import { z } from "zod";

// The key `agents` of `rigor.yaml`. The descriptions are printed in docs.

const dollars = z.number().nonnegative();
const rounds = (of: string) => z.int().min(1).max(20).default(3).describe(`Rounds ${of}.`);
/** Who may do the work of a role. */
export const backendNames = ["claude-code", "codex", "acp", "human"] as const;
export type BackendName = (typeof backendNames)[number];

const backend = z.enum(backendNames);
const command = z.string().min(1);
/** Tokens are limited even if nobody says so: not every agent tells what it costs. */
const budget = (cost: number, tokens: number) =>
  z
    .strictObject({
      cost: dollars.nullable().default(cost).describe("US dollars, where they are known."),
      tokens: z
        .int()
        .positive()
        .nullable()
        .default(tokens)
        .describe("Tokens that models are given, without those from a cache, and that they answer."),
      turns: z.int().positive().nullable().default(null).describe("Answers of models."),
      hours: z.number().positive().nullable().default(null).describe("Hours, of all sessions together."),
    })
    .prefault({});

export const agentSettingsSchema = z.strictObject({
  backend: backend.default("claude-code").describe("Who does a role's work, unless the role names another one."),
  model: z.string().nullable().default(null).describe("The model to ask for; null leaves it to the back end."),
  claude_code: z
    .strictObject({ command: command.default("claude").describe("The program of Claude Code.") })
    .prefault({})
    .describe("How Claude Code is started."),
  codex: z
    .strictObject({ command: command.default("codex").describe("The program of Codex.") })
    .prefault({})
    .describe("How Codex is started."),
  acp: z
    .strictObject({
      command: z.array(command).default([]).describe("The program of an agent that speaks the Agent Client Protocol."),
      variables: z
        .array(z.string().regex(/^[A-Za-z_]\w*$/))
        .default([])
        .describe("Variables of the daemon's environment that it needs, such as its key; those of Claude are known."),
      hosts: z
        .array(z.string().regex(/^[^\s/]+:\d+$/, "expected HOST:PORT"))
        .default([])
        .describe("Where its model is, as `host:port`; without any, that of Claude."),
      meta: z
        .record(z.string(), z.unknown())
        .default({})
        .describe("What only this agent understands: `_meta` of its session."),
    })
    .prefault({})
    .describe("Another agent."),
  prices: z
    .record(
      z.string(),
      z.strictObject({
        input: dollars.describe("US dollars for a million tokens."),
        cached: dollars.describe("US dollars for a million tokens from the service's cache."),
        output: dollars.describe("US dollars for a million tokens of answers."),
      }),
    )
    .default({})
    .describe("What models cost, by name, where the agent does not tell."),
  sandbox: z
    .enum(["required", "when-present"])
    .default("when-present")
    .describe("`required` refuses sessions where there is no bubblewrap; `rigor doctor` says what holds without it."),
  roles: z
    .record(
      z.string(),
      z.strictObject({
        backend: backend.optional().describe("Who does the work of this role."),
        model: z.string().nullable().optional().describe("The model of this role."),
      }),
    )
    .default({})
    .describe("Another back end or model for a role, such as a reviewer that is not the author's model."),
  sessions: z.int().min(1).max(64).default(2).describe("Sessions of agents at the same time."),
  autopilot: z
    .strictObject({
      gpu_hours: z
        .number()
        .nonnegative()
        .nullable()
        .default(null)
        .describe("Plans within so many GPU hours need no person's approval; null: every plan does."),
      follow_ups: z
        .boolean()
        .default(false)
        .describe(
          "Whether follow-ups whose plan code has made run without a person, within the GPU hours that are left of what " +
            "their parent was approved for. Their results need a person all the same.",
        ),
    })
    .prefault({})
    .describe("What may go on without a person."),
  rounds: z
    .strictObject({
      plan: rounds("of planner and critics"),
      code: rounds("of implementer and code reviewer"),
      test: rounds("of smoke run and tester"),
      result: rounds("of analyzer and interpretation critic"),
    })
    .prefault({})
    .describe("How often work is sent back to its author before a person is asked."),
  failures: z.int().min(1).max(20).default(3).describe("Sessions of a role that may fail before a person is asked."),
  budget: z
    .strictObject({
      issue: budget(50, 100_000_000).describe("What the sessions of one issue may use."),
      day: budget(200, 400_000_000).describe("What all sessions of one day may use, by UTC."),
    })
    .prefault({})
    .describe("What agents may use. Persons are not counted."),
  configuration: z
    .array(z.string())
    .default(["experiments/**/*.yaml", "experiments/**/*.yml"])
    .describe("Files that only configure: a change of nothing else needs no code review. Patterns as in .gitignore."),
  checks: z
    .array(z.string())
    .default([])
    .describe("Commands that must succeed before a change is reviewed: lint, types, tests."),
  promotion: z
    .enum(["branch", "merge"])
    .default("branch")
    .describe("`branch` leaves rigor/issue-N to be merged by a person; `merge` merges it where nobody works on it."),
});

/** What agents may do, and who they are. */
export type AgentSettings = z.output<typeof agentSettingsSchema>;
