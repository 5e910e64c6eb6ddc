import type { CommandSpecification } from "../specification.ts";
import { groups, messageOption } from "./words.ts";

const gateWord = {
  name: "GATE",
  description: "the number of a gate, as `rigor inbox` shows it",
  required: true,
  names: "text",
} as const;

/** Commands for issues, the gates at which they wait, and the sessions that work on them. */
export const boardCommands: readonly CommandSpecification[] = [
  {
    name: "issue",
    group: groups.board,
    summary: "file, list, show and steer issues",
    description:
      "An issue goes from a question to an approved result: it is clarified, planned, criticised, built, reviewed, " +
      "tested, run, verified and written up, by agents or persons. It stops at gates, which only a person decides. " +
      "new files one; list and show say where issues stand; accept lets a proposal be worked on; comment speaks to " +
      "whoever works on it; hold, resume and cancel steer it; waive lets it go on in spite of a concern.",
    arguments: [
      {
        name: "ACTION",
        description: "what to do; list if left out",
        required: false,
        names: "text",
        choices: ["list", "new", "show", "accept", "comment", "hold", "resume", "cancel", "waive"],
      },
      { name: "WHAT", description: "the number of an issue; for new, its text", required: false, names: "text" },
      {
        name: "TEXT",
        description: "for comment, what to say; for waive, the number of the concern",
        required: false,
        names: "text",
      },
    ],
    options: [
      {
        flags: "--kind <KIND>",
        description: "Of a new issue: what it is for.",
        value: "text",
        choices: ["experiment", "code", "analysis", "survey"],
      },
      {
        flags: "--backend <NAME>",
        description: "Of a new issue: who does the work of all its roles; else whom `agents` in rigor.yaml names.",
        value: "text",
        choices: ["claude-code", "codex", "acp", "human"],
      },
      { flags: "--title <TEXT>", description: "Of a new issue; else the beginning of its text.", value: "text" },
      { flags: "--parent <N>", description: "Of a new issue: the one that it follows.", value: "integer" },
      {
        flags: "--change <VARIABLE=VALUE>",
        description: "Of a new issue with --parent: the one variable of its parent's experiment that it changes.",
        value: "text",
      },
      { flags: "--all", description: "List also those that have ended." },
      messageOption,
    ],
    examples: [
      ['rigor issue new "Does Kneser-Ney still win when the text is tiny?"', "file it; the daemon works on it"],
      ['rigor issue new "Is the median better?" --backend human', "persons do all of it, through `rigor inbox`"],
      ['rigor issue new "With more seeds?" --parent 3 --change "seeds={count: 10}"', "the same plan with one change"],
      ["rigor issue", "where every issue stands"],
      ["rigor issue show 3", "the whole story of one"],
      ['rigor issue comment 3 "Use the news genre."', "tell whoever works on it"],
      ['rigor issue waive 3 7 -m "A pilot."', "go on in spite of concern 7"],
    ],
    load: () => import("../commands/issue.ts"),
  },
  {
    name: "inbox",
    group: groups.board,
    summary: "what waits for a person, why, and what each answer does",
    description:
      "Gates, oldest first, and the work of sessions that persons do. With a number: one gate with its evidence.",
    arguments: [{ ...gateWord, required: false }],
    options: [{ flags: "--everywhere", description: "Of all repositories, not only this one." }],
    examples: [
      ["rigor inbox", "what waits"],
      ["rigor inbox 1", "one gate in full"],
    ],
    load: () => import("../commands/inbox.ts"),
  },
  {
    name: "approve",
    group: groups.board,
    summary: "say yes at a gate",
    description: "It holds for exactly what the gate shows: if that changes, the gate opens again.",
    arguments: [gateWord],
    options: [messageOption],
    examples: [["rigor approve 1", "the plan is carried out"]],
    load: () => import("../commands/approve.ts"),
  },
  {
    name: "reject",
    group: groups.board,
    summary: "say no at a gate: the work goes back to its author",
    description: "Your reason becomes a blocker that the author has to answer. --cancel ends the issue instead.",
    arguments: [gateWord],
    options: [messageOption, { flags: "--cancel", description: "End the issue; its record stays." }],
    examples: [
      ['rigor reject 1 -m "Five seeds are too few."', "another plan"],
      ['rigor reject 1 --cancel -m "No longer needed."', "the end of the issue"],
    ],
    load: () => import("../commands/reject.ts"),
  },
  {
    name: "answer",
    group: groups.board,
    summary: "answer a gate: its questions, or with any of its choices",
    description:
      "Where a gate asks questions, TEXTs are the answers, one for each question in their order; an empty one takes the " +
      "proposed answer. Else TEXT is one of its choices.",
    arguments: [gateWord, { name: "TEXT...", description: "answers, or a choice", required: false, names: "text" }],
    options: [messageOption],
    examples: [
      ['rigor answer 1 "1,000 words" ""', "the first question; the second as proposed"],
      ["rigor answer 2 retry", "a choice"],
    ],
    load: () => import("../commands/answer.ts"),
  },
  {
    name: "edit",
    group: groups.board,
    summary: "change a result document yourself, before it is published",
    description:
      "At the gate that asks whether a result may be published, it opens the document in your editor (VISUAL or EDITOR), " +
      "or takes it out to a file and back in. The rules are those for agents: numbers are directives, strong words and " +
      "too much confidence are refused at their line. What you hand in is a new version under your name; another gate " +
      "asks about it. Where somebody else has edited or decided meanwhile, nothing is taken and your text is kept.",
    arguments: [gateWord],
    options: [
      { flags: "-o, --output <FILE>", description: "Take the document out to a file.", value: "text", names: "file" },
      { flags: "--file <FILE>", description: "Hand this file in as the document.", value: "text", names: "file" },
      { flags: "--force", description: "Replace a file that exists." },
      messageOption,
    ],
    examples: [
      ["rigor edit 3", "in your editor"],
      ["rigor edit 3 -o document.md", "out to a file"],
      ['rigor edit 3 --file document.md -m "Plainer words."', "and in again"],
    ],
    load: () => import("../commands/edit.ts"),
  },
  {
    name: "investigate",
    group: groups.board,
    summary: "have an agent answer a question with measuring tools",
    description:
      "One agent with tool servers of its own works on the question. It keeps a research log, and hands in explanations " +
      "and an answer. The log is printed as it grows; Ctrl-C leaves it going. The exit status is 0 if the question was answered.",
    arguments: [
      {
        name: "QUESTION",
        description: "the question, or @FILE: all that is in it is one question",
        required: true,
        names: "text",
      },
    ],
    options: [
      { flags: "--tools <FILE>", description: "The tool servers, as in an mcp.json.", value: "text", names: "file" },
      { flags: "--model <MODEL>", description: "The model to ask for.", value: "text" },
      { flags: "--max-turns <N>", description: "Answers of the model; else the role's limit.", value: "integer" },
      {
        flags: "--compute <NAME>",
        description: "Where the tool servers run, of those in rigor.yaml; else beside the daemon.",
        value: "text",
        names: "text",
      },
      {
        flags: "--n <N>",
        description: "So many agents for the same question, each on its own: 1 to 50.",
        value: "integer",
      },
      { flags: "-d, --detach", description: "Start it and return at once." },
    ],
    examples: [
      ['rigor investigate "Which heads copy names?" --tools mcp.json', "one agent, followed"],
      ["rigor investigate @question.md --tools mcp.json --n 3 -d", "three, side by side"],
      ["rigor investigate @question.md --tools mcp.json --compute cluster", "the tool servers are jobs of a cluster"],
    ],
    load: () => import("../commands/investigate.ts"),
  },
  {
    name: "investigation",
    group: groups.board,
    summary: "list, show and stop investigations",
    description:
      "show prints the research log, the explanations and the answer. What one found stays when it is stopped.",
    arguments: [
      {
        name: "ACTION",
        description: "what to do; list if left out",
        required: false,
        names: "text",
        choices: ["list", "show", "stop"],
      },
      { name: "NUMBER", description: "of an investigation", required: false, names: "text" },
    ],
    options: [{ flags: "--all", description: "List also those that have ended." }, messageOption],
    examples: [
      ["rigor investigation", "what is being investigated"],
      ["rigor investigation show 3", "what one has found"],
      ["rigor investigation stop 3", "end it"],
    ],
    load: () => import("../commands/investigation.ts"),
  },
  {
    name: "session",
    group: groups.board,
    summary: "list, show, follow and stop sessions; hand in a person's work",
    description:
      "A session is one agent, or a person, in one role. show prints the brief; form prints what a person hands in, as " +
      "YAML to be filled in; submit hands it in; follow prints what an agent does.",
    arguments: [
      {
        name: "ACTION",
        description: "what to do; list if left out",
        required: false,
        names: "text",
        choices: ["list", "show", "form", "submit", "follow", "stop"],
      },
      { name: "SESSION", description: "the beginning of its id", required: false, names: "text" },
      {
        name: "FILE",
        description: "for submit: YAML or JSON; a text that is @PATH is read from that file",
        required: false,
        names: "file",
      },
    ],
    options: [
      { flags: "--all", description: "List also those that have ended." },
      { flags: "--issue <N>", description: "List those of one issue.", value: "integer" },
      messageOption,
    ],
    examples: [
      ["rigor session", "who works now"],
      ["rigor session form 3f9c > plan.yaml", "what to hand in"],
      ["rigor session submit 3f9c plan.yaml", "hand it in"],
      ["rigor session follow 8a1b", "what an agent does"],
    ],
    load: () => import("../commands/session.ts"),
  },
];
