import type { Dispatcher } from "../bench/dispatch/dispatcher.ts";
import type { Lab } from "../bench/lab/lab.ts";
import type { Board } from "../conductor/open-board.ts";

/** What handlers work with. Made once, by the daemon. */
export interface ApiContext {
  lab: Lab;
  dispatcher: Dispatcher;
  board: Board;
  daemon: {
    /** Changes with every start. */
    instance: string;
    address: string;
    started_at: string;
    /** Aborted when the daemon ends: whoever waits for something is answered now. */
    stopping: AbortSignal;
    /** Ends the daemon after the answer was sent. */
    stop: () => void;
  };
  /** Who asks: `person:NAME`. */
  actor: string;
}
