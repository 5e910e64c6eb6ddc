import { RigorError } from "../../domain/errors.ts";

/** What a command in the sandbox may see, change and reach. All paths are absolute. What is not listed does not exist there. */
export interface SandboxPolicy {
  /** Where the command starts. */
  workspace: string;
  /** Whether the command may change the workspace (default), or only read it. */
  workspaceAccess?: "write" | "read";
  /** The command's own files: home, temporary files. It may change them. */
  scratch: string;
  /** Further files and directories to read: objects that the workspace's git needs, environments, toolchains. */
  readable: readonly string[];
  /** Parts of what can be read otherwise that stay invisible. */
  hidden: readonly string[];
  /** `host:port`, exactly. A host of this machine's loopback is reached directly, any other through a proxy. */
  network: { hosts: readonly string[] };
  /** Whether the GPUs of this machine are visible. */
  gpus: boolean;
  /** A file for a line of JSON on each refused connection ({@link Refusal}). */
  refusals?: string;
}

/** A connection that was asked for and not allowed. */
export interface Refusal {
  /** ISO 8601. */
  time: string;
  host: string;
  port: number;
}

export interface Address {
  host: string;
  port: number;
}

const loopbackNames = new Set(["localhost", "127.0.0.1", "::1"]);

/**
 * Reads `host:port` or `[IPv6]:port`; names are compared in lower case.
 *
 * @throws RigorError `not-possible` for anything else.
 */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new RigorError("not-possible", `${text} names no address that a sandbox can allow.`, {
      next: "Write a host and a port, such as `api.anthropic.com:443`.",
    });
  }
  return { host: host.toLowerCase(), port };
}

/** Whether an address is one of this machine's loopback. */
export function isLoopback({ host }: Address): boolean {
  return loopbackNames.has(host);
}
