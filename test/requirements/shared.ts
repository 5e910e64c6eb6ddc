import type { Requirement } from "./requirement.ts";

/** What holds where several daemons share one database. */
export const shared: Requirement[] = [
  {
    id: "shared.one-driver",
    statement: "What is shared is driven by one daemon at a time.",
  },
  {
    id: "shared.fence",
    statement:
      "A daemon that was stopped or cut off writes nothing after another has taken over, and keeps nobody from writing.",
  },
  {
    id: "shared.take-over",
    statement: "What a daemon drove is taken over when it has been silent for long enough, and not before.",
  },
  {
    id: "shared.issues",
    statement:
      "An issue is taken further by one daemon at a time, and by another one once that is gone: no step is done twice.",
  },
  {
    id: "shared.files",
    statement:
      "What is only on one machine, such as the workspace that a person works in, is not begun anew elsewhere.",
  },
  {
    id: "shared.investigations",
    statement: "An investigation runs on one machine, which every other one names, and can be ended from each of them.",
  },
  { id: "shared.status", statement: "Every daemon of a lab says which daemons live, and who drives what." },
  {
    id: "shared.local",
    statement: "What runs on a machine itself is left alone by all others, until its daemon is back.",
  },
  {
    id: "shared.lost",
    statement: "A person can end what was under way on a machine that is lost for good, with a reason, from any other.",
  },
  {
    id: "shared.chaos",
    statement: "Daemons that share a lab and are killed, stopped or cut off at random lose no run and run none twice.",
  },
];
