import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";

/** Names under which keys and passwords are kept, whatever directory they lie in. */
const keyFileNames = new Set([
  ".env",
  ".git-credentials",
  ".htpasswd",
  ".my.cnf",
  ".netrc",
  "_netrc",
  ".npmrc",
  ".pgpass",
  ".pypirc",
  "credentials.toml",
  "id_dsa",
  "id_ecdsa",
  "id_ecdsa_sk",
  "id_ed25519",
  "id_ed25519_sk",
  "id_rsa",
]);

const keyFileEnds = [".kdbx", ".p12", ".pfx", ".keytab"];

/** Directories of programs that keep keys, tokens or what was said to an agent. */
const keyDirectoryNames = new Set([
  ".aws",
  ".azure",
  ".claude",
  ".codex",
  ".docker",
  ".gnupg",
  ".kube",
  ".password-store",
  ".rigor",
  ".ssh",
]);

/** Below `.config`. */
const keyConfigurations = new Set(["gcloud", "gh", "hub", "op"]);

/**
 * Key files and directories in a tree, known by their names. Links are not followed, because what they lead to is
 * visible only where it is listed itself. What cannot be read by its owner cannot be read in the sandbox either.
 */
export async function findKeyFiles(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  const inConfiguration = directory.endsWith("/.config");
  const path = (entry: Dirent) => join(directory, entry.name);
  const isKey = (entry: Dirent) =>
    entry.isDirectory() ? isKeyDirectory(entry.name, inConfiguration) : isKeyFile(entry.name);
  const keys = entries.filter(isKey).map(path);
  const inner = entries.filter((entry) => entry.isDirectory() && !isKey(entry));
  const below = await Promise.all(inner.map((entry) => findKeyFiles(path(entry))));
  return [...keys, ...below.flat()];
}

function isKeyFile(name: string): boolean {
  return keyFileNames.has(name) || name.startsWith(".env.") || keyFileEnds.some((end) => name.endsWith(end));
}

function isKeyDirectory(name: string, inConfiguration: boolean): boolean {
  return keyDirectoryNames.has(name) || (inConfiguration && keyConfigurations.has(name));
}
