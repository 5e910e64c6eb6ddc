import { createHash, randomBytes } from "node:crypto";

/** What opens the lab's tools for one session. Kept in memory only: a session that goes on gets a new one. */
export class SessionTokens {
  /** SHA-256 of the token -> id of the session. */
  readonly #sessions = new Map<string, string>();

  issue(sessionId: string): string {
    this.revoke(sessionId);
    const token = randomBytes(32).toString("base64url");
    this.#sessions.set(digest(token), sessionId);
    return token;
  }

  /** The session that a token was issued to; undefined for any other text. */
  sessionOf(token: string): string | undefined {
    return this.#sessions.get(digest(token));
  }

  revoke(sessionId: string): void {
    for (const [key, id] of this.#sessions) if (id === sessionId) this.#sessions.delete(key);
  }
}

// Compared by digest, so that the time it takes says nothing about a token.
const digest = (token: string): string => createHash("sha256").update(token).digest("hex");
