import { spawnSync } from "node:child_process";

/** Whether a test may mount in a name space of its own: not every machine lets its users. */
export const canUnshare = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", "/tmp"]).status === 0;
