import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyArtifacts } from "./job-end.ts";

test("what a tool server left comes whole, or not at all where it is more than an investigation may leave [session.size]", async () => {
  const place = mkdtempSync(join(tmpdir(), "rigor-artifacts-"));
  try {
    const [left, artifacts] = [join(place, "left"), join(place, "artifacts")];
    mkdirSync(join(left, "plots"), { recursive: true });
    mkdirSync(artifacts);
    writeFileSync(join(left, "plots/a.csv"), "1,2\n");
    writeFileSync(join(left, "b.csv"), "3,4\n");
    await expect(copyArtifacts(left, artifacts, 7)).rejects.toThrow("they take 8 bytes, and may take 7");
    expect(existsSync(join(artifacts, "b.csv"))).toBe(false);
    await copyArtifacts(left, artifacts, 8);
    expect(readFileSync(join(artifacts, "plots/a.csv"), "utf8")).toBe("1,2\n");
  } finally {
    rmSync(place, { recursive: true });
  }
});
