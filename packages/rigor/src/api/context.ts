import type { Dispatcher } from "../bench/dispatcher.ts";
import type { Lab } from "../bench/lab.ts";

/** What handlers work with. Made once, by the daemon. */
export interface ApiContext {
  lab: Lab;
  dispatcher: Dispatcher;
  daemon: {
    /** Changes with every start. */
    instance: string;
    address: string;
    started_at: string;
    /** Ends the daemon after the answer was sent. */
    stop: () => void;
  };
  /** Who asks: `person:NAME`. */
  actor: string;
}
