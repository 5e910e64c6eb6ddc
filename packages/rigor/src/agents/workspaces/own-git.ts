import { git, type GitOptions } from "../../provenance/git.ts";

/** A person's settings, such as filters and signatures, are for that person's own repositories. */
export const noSettings = { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };

/** Runs git in a repository that the lab made, before an agent has touched it. */
export async function ownGit(directory: string, args: readonly string[], options: GitOptions = {}): Promise<string> {
  return (await git(directory, args, { ...options, env: { ...noSettings, ...options.env } })).trim();
}
