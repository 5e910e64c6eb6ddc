import { spawnSync } from "node:child_process";
import { chmodSync, lutimesSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { scratchDirectory } from "./scratch-repository.testing.ts";
import { sealFunctions } from "./seal.ts";

test.each([["dash"], ["bash"], ["busybox", "sh"]])(
  "in %s %s a clock that stepped back while a checkout was made changes nothing of it [provenance.checkout-changed]",
  async (...words) => {
    const [shell, ...options] = words.filter((word) => word !== undefined);
    const ask = (command: string): boolean => {
      const script = `set -eu${sealFunctions}${command}`;
      return spawnSync(shell ?? "", [...options, "-c", script, "sh", checkout]).status === 0;
    };
    const checkout = join(scratchDirectory(), "it's a $checkout");
    mkdirSync(join(checkout, "in *"), { recursive: true });
    writeFileSync(join(checkout, "in */a"), "1");
    symlinkSync("/nonexistent", join(checkout, "link"));
    const later = new Date(Date.now() + 3_600_000);
    for (const path of ["in */a", "link", "in *", "."]) lutimesSync(join(checkout, path), later, later);
    chmodSync(join(checkout, "in */a"), 0o400);
    expect(ask('seal "$1" "$1.sealed"')).toBe(true);
    expect(ask('unchanged "$1"')).toBe(true);
    // Some shells count the times of files in seconds.
    await sleep(1_100);
    rmSync(join(checkout, "link"));
    symlinkSync("/", join(checkout, "link"));
    expect(ask('unchanged "$1"')).toBe(false);
  },
);
