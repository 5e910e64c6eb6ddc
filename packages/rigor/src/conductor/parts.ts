import type { Dispatcher } from "../bench/dispatch/dispatcher.ts";
import type { Lab } from "../bench/lab/lab.ts";
import type { Documents } from "./documents.ts";
import type { IssueDriving } from "./issue-driving.ts";
import type { SessionKeeper } from "./session-keeper.ts";
import type { IssueWorkspaces } from "./workspaces.ts";

/** What the conductor works with. Made once, by the daemon. */
export interface ConductorParts {
  lab: Lab;
  dispatcher: Dispatcher;
  issues: IssueDriving;
  workspaces: IssueWorkspaces;
  documents: () => Promise<Documents>;
  sessions: SessionKeeper;
}
