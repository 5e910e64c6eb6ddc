import type { Requirement } from "./requirement.ts";

/** What holds for agents and the workflow that they work in. */
export const agents: Requirement[] = [
  // Sandbox
  {
    id: "sandbox.files",
    statement: "A session's commands change files of its workspace and scratch directory, and no others.",
  },
  {
    id: "sandbox.keys",
    statement:
      "Keys, the home directory, the lab's data, other checkouts and other workspaces do not exist for a session's commands.",
  },
  {
    id: "sandbox.network",
    statement: "A session's commands reach the listed addresses and no others; what the proxy refuses is recorded.",
  },
  {
    id: "sandbox.processes",
    statement: "A session's commands see and signal only their own processes, and none outlives the session.",
  },
  {
    id: "sandbox.privileges",
    statement: "A session's commands have no capability, make no user namespace, and see no disk device.",
  },
  { id: "sandbox.gpus", statement: "GPU devices are visible in a sandbox where the role needs them, and only there." },
  {
    id: "sandbox.agent",
    statement: "A command in a sandbox has the signals, input and exit status that it has outside.",
  },
  // Workspaces
  {
    id: "workspace.own-repository",
    statement:
      "An author works in a repository of its own, in which git works and nothing of the person's repository can be seen or changed but the history of the base.",
  },
  {
    id: "workspace.submit",
    statement:
      "Submitted work is one commit on rigor/NAME in the person's repository, whose checkout, index, HEAD, hooks and other branches stay as they are.",
  },
  {
    id: "workspace.review",
    statement:
      "A reviewer's workspace has the submitted files, cannot be changed, and holds none of the author's words.",
  },
  {
    id: "workspace.change",
    statement: "What a change added, and to which files, is told by git; long files are named and not shown.",
  },
  {
    id: "workspace.promotion",
    statement:
      "A change is merged beside the checkout or left on its branch with the command to merge it; conflicts name their files.",
  },
  {
    id: "workspace.sweep",
    statement:
      "Workspaces that no issue needs are removed with their size told; work that was not submitted is kept and named.",
  },
  {
    id: "workspace.crash",
    statement: "A kill at any moment leaves no half-made workspace, no lost submission and a whole repository.",
  },
  // Checks of a change
  {
    id: "agents.duplication",
    statement:
      "Code that a change adds although it stands elsewhere is found, with both places; what stood twice before is not told.",
  },
  {
    id: "agents.checks",
    statement:
      "Declared checks run in the sandbox on the submitted commit, within their time, and each tells how it ended.",
  },
  {
    id: "sandbox.absent",
    statement: "Where there is no sandbox, what does not hold is said, and a lab that requires one refuses agents.",
  },
  // Sessions of agents
  {
    id: "session.transcript",
    statement:
      "A session's transcript says what its agent was told, thought, said, called and got, in the same form for all.",
  },
  {
    id: "session.usage",
    statement: "Turns, tokens, cost and duration of a session are counted over all its processes.",
  },
  {
    id: "session.tools",
    statement: "An agent has the tools of its role and no others; without the lab's tools it does not work.",
  },
  {
    id: "session.refused",
    statement:
      "Files that were refused to a session are on record, as far as what its tools printed tells, and named as that.",
  },
  { id: "session.sandbox", statement: "An agent's program is started by the sandbox it is given." },
  {
    id: "session.limits",
    statement: "A session that reaches its limit of turns, cost, tokens or time is ended, and says which.",
  },
  { id: "session.silence", statement: "A session of which nothing is heard is ended." },
  {
    id: "session.service",
    statement: "A failing model service is waited for as long as silence is, and then named as the cause.",
  },
  { id: "session.credentials", statement: "Credentials that are refused end a session soon, with what to do." },
  {
    id: "session.truth",
    statement:
      "A session always ends with an outcome; without the agent's own word that it is done, it has not finished.",
  },
  {
    id: "session.processes",
    statement: "With a session ends everything that it has started, also what has left its process group.",
  },
  { id: "session.disk", statement: "A session on a full disk ends as that." },
  {
    id: "session.resume",
    statement: "A session whose process is gone goes on where that stood, within the limits of the whole session.",
  },
  {
    id: "session.survives",
    statement: "What a session does without its daemon is taken in, once, by the next daemon.",
  },
  {
    id: "session.orphans",
    statement: "Processes of sessions whose daemon has gone are ended at the next start; other processes never are.",
  },
  {
    id: "session.masks",
    statement: "Secrets are masked before a transcript is written, known ones however they are escaped.",
  },
  {
    id: "session.foreign",
    statement: "Settings, instructions, hooks, tools and plugins of the user or the project do not reach a session.",
  },
  {
    id: "session.environment",
    statement: "An agent has the environment that it is given, and nothing of the daemon's.",
  },
  { id: "session.stop", statement: "A session that is stopped ends with everything that it started." },
];
