import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isMissing } from "../../../hosts/system-errors.ts";

/** What only Rigor and the job of a tool server know, and where its output is kept here. In `job.json`. */
export interface JobSecret {
  job: string;
  token: string;
  /** What the line begins with that says where the server is: nothing else that is printed can be taken for it. */
  announce: string;
  log: string;
}

/** @param directory of the server in its investigation */
export function makeSecret(directory: string, job: string, log: string): JobSecret {
  const secret = { job, token: randomBytes(32).toString("base64url"), announce: randomBytes(16).toString("hex"), log };
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, "job.json"), JSON.stringify(secret), { mode: 0o600 });
  return secret;
}

/** Null where it is not that of the job, or is not there as it was written. */
export function readSecret(directory: string, job: string): JobSecret | null {
  try {
    const secret = JSON.parse(readFileSync(join(directory, "job.json"), "utf8")) as JobSecret;
    return secret.job === job ? secret : null;
  } catch (error) {
    if (error instanceof SyntaxError || isMissing(error)) return null;
    throw error;
  }
}
