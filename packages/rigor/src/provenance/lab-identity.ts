const roles = ["AUTHOR", "COMMITTER"] as const;

/** Commits that the lab makes name it, and nobody else. */
export const labIdentity: Readonly<Record<string, string>> = Object.fromEntries(
  roles.flatMap((role) => [
    [`GIT_${role}_NAME`, "Rigor"],
    [`GIT_${role}_EMAIL`, "rigor@localhost"],
  ]),
);

/**
 * The same at a fixed time, so that equal content gives an equal commit.
 *
 * @param seconds since 1970, UTC
 */
export function labIdentityAt(seconds: string): Record<string, string> {
  return { ...labIdentity, ...Object.fromEntries(roles.map((role) => [`GIT_${role}_DATE`, `@${seconds} +0000`])) };
}
