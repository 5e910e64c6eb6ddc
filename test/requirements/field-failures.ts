import type { Requirement } from "./requirement.ts";

/** What goes wrong in labs that run experiments on clusters, and must be impossible or caught here. */
export const fieldFailures: Requirement[] = [
  { id: "F01", statement: "A half-written or empty status file does not crash the daemon nor reset any state." },
  { id: "F02", statement: "Two writers never overwrite each other's records." },
  { id: "F03", statement: "A damaged registry is refused with an error and never saved over." },
  { id: "F04", statement: "An old or late status never reverts a newer decision." },
  { id: "F05", statement: "No state exists that no event can leave, other than the declared final ones." },
  {
    id: "F06",
    statement: "A result is keyed by the content of what made it: after a fix of the code it is stale, not done.",
  },
  { id: "F07", statement: "Retry counters and timers survive a restart." },
  {
    id: "F08",
    statement: "Every event kind that is written has one schema and one reader; an unknown kind is refused.",
  },
  {
    id: "F09",
    statement: "Every run of an experiment is its own record: one failure neither loses nor repeats others.",
  },
  { id: "F10", statement: "A crash between submission and its record never starts a job twice." },
  { id: "F11", statement: "Silence is not an end: without an exit record or proof of death nothing is concluded." },
  {
    id: "F12",
    statement: "Exit status 0 is not success: empty or unreadable results, NaN, zeros and chance level are caught.",
  },
  {
    id: "F13",
    statement: "A job that its scheduler reports with exit status 0 although it was deleted is no success.",
  },
  { id: "F14", statement: "Each member of an array is judged by itself, never by what its array reports." },
  { id: "F15", statement: "Looking at jobs costs a fixed number of calls of a scheduler, whatever their number." },
  { id: "F16", statement: "A job that is gone without an exit record is lost, never completed." },
  { id: "F17", statement: "Two jobs never hold one GPU; a card that others use is not free." },
  { id: "F18", statement: "Output of any size never blocks a job." },
  { id: "F19", statement: "The daemon keeps the port that it bound, and a client knows the daemon it meant." },
  { id: "F20", statement: "A retry has the same parameters and commit as the first attempt." },
  { id: "F21", statement: "Disk, inodes, environment and modules are checked before a run, or named as the cause." },
  { id: "F22", statement: "Ids of schedulers are text, whole and as they were given." },
  { id: "F24", statement: "Checkpoints are removed only when nothing can go on from them any more." },
  {
    id: "F23",
    statement: "A run that needs another one never starts without that one's valid result, whoever asks for it.",
  },
  { id: "F25", statement: "Failures are classified by whole expressions, with the line that proves them." },
  { id: "F30", statement: "No step of the workflow depends on a prompt: what comes next is decided in code." },
  { id: "F31", statement: "An agent has nothing of what the user or the project has configured for agents." },
  { id: "F32", statement: "A reviewer sees the work and not its author's reasoning." },
  { id: "F33", statement: "A loop that reaches its limit stops at a person's decision and never advances the work." },
  { id: "F34", statement: "An approval is bound to what was approved and ends with it." },
  {
    id: "F35",
    statement: "An agent never waits for a permission, and never asks a dead service for longer than its limits allow.",
  },
  { id: "F36", statement: "Tool list, dispatch and brief of a role come from one definition." },
  { id: "F37", statement: "Text from an agent is never rendered as HTML." },
  { id: "F38", statement: "An agent changes no file outside its task, and ends no process but its own." },
  { id: "F39", statement: "Workspaces are removed when their issue is done, and swept at start-up." },
  { id: "F40", statement: "Secrets are in no transcript." },
  { id: "F41", statement: "Every attempt ends with an event that tells how it ended, also when it is killed." },
  { id: "F50", statement: "Arms of a task that saw different inputs are caught by their inputs hash." },
  { id: "F51", statement: "A baseline at or below chance is refused." },
  {
    id: "F52",
    statement: "All planned seeds count, arms have the same seeds, and pairs are matched by task and seed.",
  },
  {
    id: "F53",
    statement: "The goal of a metric decides the direction; pilot-only runs never count in the final comparison.",
  },
  { id: "F54", statement: "A rule that changes after results are known is a new plan, and the decision says so." },
  {
    id: "F55",
    statement:
      "Numbers of a result document come from the data, its figures from the same runs, and its claims are no stronger than the decision.",
  },
  { id: "F56", statement: "Decisions use p values adjusted for all comparisons made." },
  { id: "F57", statement: "The examples select on a validation part, never on the test part." },
  { id: "F58", statement: "A pilot takes the same code path as the full stage." },
  {
    id: "F59",
    statement:
      "Every attempt records command, commit, environment, inputs and outputs; nothing runs from a dirty tree.",
  },
];
