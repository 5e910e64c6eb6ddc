import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own, kept in memory, that can be full or read-only while the machine's own is not. */
export class SmallDisk {
  readonly path: string;

  /**
   * @param size as `mount` takes it, for example `100m`
   * @param path an empty directory; by default a new one
   */
  constructor(size: string, path = mkdtempSync(join(tmpdir(), "rigor-disk-"))) {
    this.path = path;
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", this.path]);
  }

  /** Leaves no room at all. */
  fill(): void {
    for (const size of [1024 * 1024, 4096, 1]) {
      for (;;) {
        try {
          writeFileSync(this.#filler, Buffer.alloc(size), { flag: "a" });
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
          break;
        }
      }
    }
  }

  /** Gives the room back that {@link fill} took. */
  clear(): void {
    rmSync(this.#filler);
  }

  get #filler(): string {
    return join(this.path, "filler");
  }

  setReadOnly(readOnly: boolean): void {
    execFileSync("mount", ["-o", `remount,${readOnly ? "ro" : "rw"}`, this.path]);
  }

  remove(): void {
    execFileSync("umount", ["--lazy", this.path]);
    rmdirSync(this.path);
  }
}

/** Whether this machine lets us mount: as root, outside of a container that forbids it. */
export function canMount(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const path = mkdtempSync(join(tmpdir(), "rigor-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path]).status === 0;
  if (mounted) execFileSync("umount", [path]);
  rmdirSync(path);
  return mounted;
}
