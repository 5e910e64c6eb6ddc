import { z } from "zod";

const environmentRecord = z.object({
  manager: z.enum(["npm", "uv", "pip", "conda", "none"]),
  /** Installed package -> version. */
  packages: z.record(z.string(), z.string()),
  /** What runs them -> version: `python`, `node`. */
  runtime: z.record(z.string(), z.string()),
  built_at: z.string(),
  /** How long the build took. */
  seconds: z.number(),
  host: z.string(),
});

/** What was installed, kept with every attempt that used it. */
export type EnvironmentRecord = z.infer<typeof environmentRecord>;

export interface BuiltEnvironment {
  key: string;
  /** Null for manager `none`, which builds nothing. */
  directory: string | null;
  log_file: string | null;
  /** Variables for a run, those of the experiment included. */
  variables: Record<string, string>;
  /** Directories to put in front of PATH. */
  path_prefix: string[];
  /** Links that a checkout needs: path in the repository -> absolute target. */
  links: Record<string, string>;
  record: EnvironmentRecord;
}

/** What a directory of environments calls the one of a key. */
export function environmentName({ manager, key }: { manager: string; key: string }): string {
  return `${manager}-${key.slice(0, 20)}`;
}

/** The content of `complete.json`, without which an environment does not count. */
export const completeText = (record: EnvironmentRecord): string => `${JSON.stringify(record, null, 2)}\n`;

/** Reads what {@link completeText} wrote. @throws Error for anything else */
export const parseComplete = (text: string): EnvironmentRecord => environmentRecord.parse(JSON.parse(text));
