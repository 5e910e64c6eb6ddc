import { join } from "node:path";
import type { Logger } from "pino";
import type { Store } from "../../store/store.ts";
import type { Driving } from "./driving.ts";
import type { Lanes } from "./lanes.ts";

/** Every path below the data directory. */
export class DataDirectory {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  get attempts(): string {
    return join(this.root, "attempts");
  }
  get checkouts(): string {
    return join(this.root, "checkouts");
  }
  get environments(): string {
    return join(this.root, "environments");
  }
  get inputs(): string {
    return join(this.root, "inputs");
  }
  get inputHashes(): string {
    return join(this.root, "input-hashes.json");
  }
  get database(): string {
    return join(this.root, "rigor.sqlite");
  }
}

/** What every part of the bench works with. Made once, by the daemon. */
export interface Lab {
  store: Store;
  data: DataDirectory;
  lanes: Lanes;
  /** What this daemon drives, where several share the database. */
  driving: Driving;
  log: Logger;
  version: string;
}
