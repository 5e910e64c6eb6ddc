import type { Requirement } from "./requirement.ts";

/** What holds for issues and the gated workflow. */
export const issues: Requirement[] = [
  { id: "issue.life", statement: "An issue goes from a question to an approved result through every step, in code." },
  {
    id: "issue.human",
    statement:
      "Persons can do every role of an issue, over the command line, with the same brief and form as an agent.",
  },
  {
    id: "issue.backend",
    statement:
      "Who does the work is named for a role, for all roles, or for one issue and what follows from it, which goes first.",
  },
  {
    id: "issue.agent",
    statement: "Claude Code does every role of an issue, with persons at the gates, from a vague sentence to done.",
  },
  {
    id: "issue.kinds",
    statement: "Kinds of issue skip steps by rule, and a change of configuration only skips review.",
  },
  {
    id: "issue.follow-up",
    statement:
      "A follow-up that changes one variable inherits its parent's plan by code; it runs unasked only where that is wanted and approved hours are left.",
  },
  {
    id: "follow-up.again",
    statement:
      "A follow-up that asks what an issue asks already is not filed, whoever wants it, and which one that is is said.",
  },
  {
    id: "issue.promotion",
    statement:
      "An accepted change is merged beside the user's work, or its branch is left with the command that merges it; a conflict asks a person.",
  },
  {
    id: "issue.resume",
    statement: "Killed at any time, the conductor goes on where the issue stood, and does no step twice.",
  },
  {
    id: "issue.chaos",
    statement:
      "Issues whose daemons, agents and runs are killed at random do each step once, are charged once, and leave nothing behind.",
  },
  {
    id: "issue.one-conductor",
    statement: "Only the conductor moves an issue, and two conductors cannot act on one.",
  },
  { id: "issue.hold", statement: "An issue on hold or cancelled has no session at work, and says why." },
  { id: "gate.open", statement: "A gate says what is asked, why, what each answer does, and since when it waits." },
  {
    id: "gate.bound",
    statement:
      "An answer holds for exactly what the gate showed; if that changes, it is asked anew, and what has changed is told.",
  },
  {
    id: "gate.edit",
    statement:
      "At the gate of promotion a person may edit the document, under the rules for agents: it is a new version by that person, its changes are on record, and it is asked about anew.",
  },
  { id: "gate.answers", statement: "An answer that a gate does not have, or that lacks its reason, changes nothing." },
  {
    id: "gate.caps",
    statement:
      "A limit of rounds, failures or cost ends at a gate and never advances the work; what agents use counts while they work.",
  },
  {
    id: "hand-in.checked",
    statement:
      "What is handed in passes a schema and the rules of reviews at that moment, or is refused with every problem.",
  },
  {
    id: "hand-in.own-session",
    statement: "A session hands in once, for its own issue, in its own role; everything else is refused and recorded.",
  },
  {
    id: "review.fresh",
    statement: "A reviewer works in a session of its own and never sees the author's reasoning.",
  },
  {
    id: "review.concerns",
    statement:
      "A concern is answered by its author, settled by a later review, waived by a person only, and always shown.",
  },
  {
    id: "plan.name",
    statement: "A plan cannot give its experiment a name that another experiment or open plan of the lab has.",
  },
  {
    id: "check.consistency",
    statement:
      "What differs between a plan and its parent is found in code, and must be justified beyond one variable.",
  },
  {
    id: "issue.names",
    statement: "No person puts the experiment of an issue aside that goes on, by another one under its name.",
  },
  { id: "check.scope", statement: "What was approved is what runs: a change of the experiment file is refused." },
  {
    id: "check.findings",
    statement:
      "Copies of code and failing commands of the repository are blockers: answered, settled or waived, and shown in every later brief.",
  },
  {
    id: "check.fault",
    statement:
      "A check that git or a machine fails in is made again, and then a person is asked: it is no finding, and costs its author no round.",
  },
  {
    id: "check.smoke",
    statement:
      "Before the experiment, its real command runs once for each arm through the same path, as small as it goes.",
  },
  {
    id: "check.reproducibility",
    statement: "Nothing is concluded before commit, environment, inputs, runs and artifacts were verified in code.",
  },
  {
    id: "role.files",
    statement: "A repository's own role files replace the shipped ones; a wrong one says what is wrong.",
  },
  {
    id: "tools.one-definition",
    statement: "Brief, tool list and schema of a role come from one definition each.",
  },
  {
    id: "tools.tokens",
    statement: "A session's token opens its role's tools while the session lives, and nothing else.",
  },
  {
    id: "tools.protocol",
    statement: "The lab's tools pass the protocol's own suite for what they offer, and a crowd holds nobody up.",
  },
  {
    id: "session.failures",
    statement: "A session that cannot work ends in a named state, a person is told what to do, and may take the role.",
  },
  {
    id: "session.hanging",
    statement: "A tool that gives no answer is named, while the session goes on and in how it ended.",
  },
  {
    id: "session.size",
    statement: "What a session leaves on the disk is limited: too much ends it by that name, before the disk is full.",
  },
  {
    id: "session.hand-in",
    statement:
      "A session's record says what it handed in, or that it handed in nothing and why, and while it works what it has used so far.",
  },
  {
    id: "investigate.record",
    statement:
      "An investigation leaves its research log with times, explanations, artifacts, a summary and a transcript.",
  },
  {
    id: "investigate.evidence",
    statement:
      "An explanation is no surer than its evidence allows: what was only seen, or did not hold, is not enough.",
  },
  {
    id: "investigate.tools",
    statement: "Tool servers are described as in mcp.json, and speak over HTTP or on their input and output.",
  },
  { id: "investigate.apart", statement: "Investigations side by side have tool servers, ports and data of their own." },
  { id: "investigate.busy", statement: "An agent whose tool server is busy is told so, and tries again." },
  {
    id: "investigate.ends",
    statement: "An investigation ends with a true outcome and its cause, and nothing of it is left running.",
  },
  {
    id: "investigate.limits",
    statement:
      "An investigation waits while as many agents are at work, or have cost as much, as rigor.yaml allows; one at work ends when the budget of the day is used up.",
  },
  {
    id: "investigate.masked",
    statement: "No transcript of an investigation shows a secret that its tool servers were given.",
  },
  { id: "investigate.survives", statement: "An investigation goes on with the next daemon." },
  {
    id: "investigate.compute",
    statement:
      "Tool servers of an investigation run on any compute of rigor.yaml as jobs, found by the next daemon; what they make " +
      "is here before the agent hears of it.",
  },
  {
    id: "investigate.compute-ends",
    statement:
      "The job of a tool server ends with its investigation whatever happened, and one that is lost ends it with its cause.",
  },
  {
    id: "investigate.identity",
    statement: "What answers on a tool server's port is believed only where the port is held by its own processes.",
  },
];
