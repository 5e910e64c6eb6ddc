/** What a daemon writes into its data directory, so that clients find it and know it from others. */
export interface DaemonFile {
  pid: number;
  /** Changes with every start. */
  instance: string;
  /** `http://127.0.0.1:PORT` */
  address: string;
  token: string;
  version: string;
  data_directory: string;
  started_at: string;
}

/** Header of every answer: the `instance` of the daemon that gives it. */
export const instanceHeader = "rigor-instance";

/** Name of the file in the data directory. */
export const daemonFileName = "daemon.json";

/**
 * Name of the file with the pid of the process that has the data, also before it is ready and while it ends. It may be
 * left of one that was killed.
 */
export const pidFileName = "daemon.pid";
