import { lstat, readdir, readlink, realpath, stat } from "node:fs/promises";
import { dirname, resolve, sep } from "node:path";
import { findKeyFiles } from "./key-files.ts";
import type { SandboxPolicy } from "./policy.ts";

/** Programs and libraries; where one is a link into another, it is a link in the sandbox, too. */
const programDirectories = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/** What programs need of the machine's configuration. Keys, passwords and settings of agents lie beside these. */
const configuration = [
  "alternatives",
  "ca-certificates",
  "ca-certificates.conf",
  "crypto-policies",
  "fonts",
  "group",
  "hosts",
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "locale.alias",
  "localtime",
  "magic",
  "mime.types",
  "nsswitch.conf",
  "OpenCL",
  "os-release",
  "passwd",
  "pki/ca-trust",
  "pki/tls/certs",
  "protocols",
  "services",
  "ssl/certs",
  "ssl/openssl.cnf",
  "terminfo",
  "texmf",
  "timezone",
  "vulkan",
].map((name) => `/etc/${name}`);

/** Variables that name files of certificates, without which no program trusts the hosts that it may reach. */
const certificateVariables = [
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
];

const gpuDevices = /^(nvidia|dri$|kfd$|dxg$)/;

interface Mount {
  /** At one path a later kind covers an earlier one. */
  kind: (typeof kinds)[number];
  path: string;
  /** What the path shows. */
  source: string;
}

const kinds = ["read", "device", "write", "hide"] as const;

/**
 * The arguments of `bwrap` that show a policy's files, and nothing else: the root directory is empty and read-only but for
 * what is mounted. Paths that do not exist are left out.
 *
 * @param programs files that the sandbox itself starts
 */
export async function mountArguments(policy: SandboxPolicy, programs: readonly string[]): Promise<string[]> {
  const workspaceKind = policy.workspaceAccess === "read" ? "read" : "write";
  const certificates = certificateVariables.flatMap((name) => process.env[name] ?? []);
  const wanted = [
    ...(await mountsOf("read", [...configuration, "/sys", ...programs, ...certificates, ...policy.readable])),
    ...(policy.gpus ? await mountsOf("device", await gpuPaths()) : []),
    ...(await mountsOf(workspaceKind, [policy.workspace])),
    ...(await mountsOf("write", [policy.scratch])),
  ];
  // A link in a directory that is shown is there already, and leads to what is shown at its end.
  const mounts = wanted.filter(
    (one) => one.path === one.source || !wanted.some(({ path }) => path !== one.path && isWithin(one.path, path)),
  );
  const trees = policy.readable.filter((path) => !isProgram(path));
  const keys = (await Promise.all(trees.map((path) => findKeyFiles(path)))).flat();
  const hidden = await mountsOf("hide", [...policy.hidden, ...keys]);
  const visible = hidden.filter(({ path }) => isProgram(path) || mounts.some((mount) => isWithin(path, mount.path)));
  const ordered = [...mounts, ...visible].sort(outerFirst);
  return [
    ...(await programArguments()),
    ...["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--dir", "/var", "--symlink", "../tmp", "/var/tmp"],
    ...["--dir", "/run"],
    ...(await Promise.all(ordered.map(showArguments))).flat(),
    // As root, `/proc/sys` could be written else: it asks for the user alone, not for a capability.
    ...["--remount-ro", "/proc", "--remount-ro", "/"],
    ...(await Promise.all(visible.map(closeArguments))).flat(),
  ];
}

/** Key files among the machine's programs, for {@link SandboxPolicy.hidden}. There are many programs: this takes a second. */
export async function findProgramKeys(): Promise<string[]> {
  const found = await Promise.all(
    programDirectories.map(async (path) => {
      const isOwn = (await lstat(path).catch(() => null))?.isDirectory() === true;
      return isOwn ? findKeyFiles(path) : [];
    }),
  );
  return found.flat();
}

async function programArguments(): Promise<string[]> {
  const shown = await Promise.all(
    programDirectories.map(async (path) => {
      const found = await lstat(path).catch(() => null);
      if (found === null) return [];
      return found.isSymbolicLink() ? ["--symlink", await readlink(path), path] : ["--ro-bind", path, path];
    }),
  );
  return shown.flat();
}

async function gpuPaths(): Promise<string[]> {
  const names = await readdir("/dev");
  return names.filter((name) => gpuDevices.test(name)).map((name) => `/dev/${name}`);
}

/** A path that goes through links is shown under its name, under each link on the way, and under its real place. */
async function mountsOf(kind: Mount["kind"], paths: readonly string[]): Promise<Mount[]> {
  const found = await Promise.all(
    [...new Set(paths)].map(async (path) => {
      const source = await realpath(path).catch(() => null);
      if (source === null) return [];
      const places = kind === "hide" ? [source] : [...new Set([...(await linksFrom(path)), source])];
      const missing = kind === "read" ? places.filter((place) => !isProgram(place)) : places;
      return missing.map((place) => ({ kind, path: place, source }));
    }),
  );
  return found.flat();
}

/** A path and what it is a link to, as far as that is a link, too. */
async function linksFrom(path: string): Promise<string[]> {
  const target = await readlink(path).catch(() => null);
  return target === null ? [path] : [path, ...(await linksFrom(resolve(dirname(path), target)))];
}

/** Whether a path is shown with the machine's programs already. */
function isProgram(path: string): boolean {
  return programDirectories.some((directory) => isWithin(path, directory));
}

async function showArguments({ kind, path, source }: Mount): Promise<string[]> {
  if (kind === "read") return ["--ro-bind", source, path];
  if (kind === "write") return ["--bind", source, path];
  if (kind === "device") return ["--dev-bind", source, path];
  return (await isDirectory(path)) ? ["--tmpfs", path] : ["--ro-bind", "/dev/null", path];
}

async function closeArguments({ path }: Mount): Promise<string[]> {
  return (await isDirectory(path)) ? ["--remount-ro", path] : [];
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path)).isDirectory();
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(sep) ? directory : `${directory}${sep}`);
}

function outerFirst(a: Mount, b: Mount): number {
  const [left, right] = [a.path.split(sep), b.path.split(sep)];
  const at = left.findIndex((part, index) => part !== right[index]);
  if (at === -1 && left.length === right.length) return kinds.indexOf(a.kind) - kinds.indexOf(b.kind);
  if (at === -1) return -1;
  if (right[at] === undefined) return 1;
  return (left[at] ?? "") < right[at] ? -1 : 1;
}
