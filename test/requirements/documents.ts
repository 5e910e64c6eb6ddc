import type { Requirement } from "./requirement.ts";

/** What a result document promises. */
export const documents: Requirement[] = [
  {
    id: "document.sections",
    statement: "A section that is missing, unknown, double, empty or out of order is an error with its line.",
  },
  {
    id: "document.values",
    statement: "Numbers are directives, resolved from valid results of the final stage and linked to their runs.",
  },
  {
    id: "document.unknown-name",
    statement: "A directive that names no arm, task, metric or comparison is an error that suggests what was meant.",
  },
  {
    id: "document.typed-numbers",
    statement:
      "A number typed by hand that looks like a measurement is an error with line, column, and the directive that gives it; what the plan declares may be typed.",
  },
  {
    id: "document.constants",
    statement: "A number from elsewhere is shown together with its source, and without a source it is an error.",
  },
  {
    id: "document.strong-words",
    statement:
      "Words that claim more than an experiment can show are errors that say why; `significant` needs a comparison that was.",
  },
  {
    id: "document.confidence-capped",
    statement:
      "A document states at most the confidence that seeds, intervals, open concerns and a reproduced run allow.",
  },
  {
    id: "document.figures",
    statement:
      "Each comparison has a figure with every seed as a point, means with intervals, and axes with unit and goal; the same facts give the same bytes.",
  },
  {
    id: "document.hash",
    statement: "The hash of a document changes with its text and with every recorded value that it shows.",
  },
  {
    id: "document.draft",
    statement: "A drafted document lacks only what is marked to be written, and what is left unwritten is refused.",
  },
  {
    id: "document.no-html",
    statement: "No text of a document, an arm or a source becomes an element, an attribute or an address that runs.",
  },
  {
    id: "document.bounded",
    statement: "A document that takes too long to read is refused, and holds up neither the daemon nor the next one.",
  },
  {
    id: "document.cli",
    statement: "`rigor document` drafts, checks and renders a document as Markdown with figures and as one HTML page.",
  },
];
