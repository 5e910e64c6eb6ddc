/** Stands where a secret was. */
const mask = "[secret]";

/** A shorter value would be found in text that has nothing to do with it. */
const leastLength = 6;

/** Names of environment variables whose values are secrets. */
const secretName = /(KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|COOKIE|AUTH)/i;

/** Names that only look like one: they hold addresses, paths or numbers. */
const harmlessName = /(_URL|_PATH|_FILE|_DIR|_SOCK|_SOCKET|_MS|_SECONDS|_TTL|_LIMIT|_TOKENS|KEYBOARD|_KEYS_DIR)$/i;

/** Values of an environment that must not be seen. */
export function secretsOf(environment: Readonly<Record<string, string>>): string[] {
  return Object.entries(environment)
    .filter(([name, value]) => secretName.test(name) && !harmlessName.test(name) && value.length >= leastLength)
    .map(([, value]) => value);
}

/**
 * Secrets that can be told by their form, whoever's they are. Each begins with what only such a secret begins with, so
 * that ordinary text is left as it is.
 */
const wellKnown = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /\bsk-(?:ant|proj|svcacct|or|lf)-[\w-]{8,}/g,
  /\bsk-[A-Za-z0-9]{32,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/g,
  /\bgithub_pat_\w{20,}/g,
  /\bglpat-[\w-]{16,}/g,
  /\bhf_[A-Za-z0-9]{20,}/g,
  /\bxox[abeoprs]-[\w-]{10,}/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\bAIza[\w-]{30,}/g,
  /\b(?:pypi|npm)[-_][A-Za-z0-9_-]{30,}/g,
  /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+/g,
  /(?<=\bBearer\s+)[\w.~+/-]{8,}=*/gi,
  /(?<=\bBasic\s+)[A-Za-z0-9+/]{12,}=*/g,
  new RegExp(String.raw`(?<=aws_secret_access_key(?:"|'|\\)*\s*[=:]\s*(?:"|'|\\)*)[A-Za-z0-9/+]{30,}`, "gi"),
  new RegExp(String.raw`(?<=://[^\s/:@"']+:)[^\s/@"']+(?=@)`, "g"),
];

/**
 * Takes secrets out of what is kept (a transcript is attached to an issue, and may be committed). Known values are found
 * also where they are escaped as in JSON, any number of times; others by their form.
 */
export class Masker {
  readonly #known: RegExp | null;

  /** @param secrets values that are known; those of fewer than six characters are left out */
  constructor(secrets: readonly string[]) {
    const values = secrets.flatMap((secret) => [secret, secret.trim()]).filter((one) => one.length >= leastLength);
    // The longest first: a secret may begin with another one.
    const unique = [...new Set(values)].sort((one, other) => other.length - one.length);
    this.#known = unique.length === 0 ? null : new RegExp(unique.map(anyEscape).join("|"), "g");
  }

  text(text: string): string {
    const masked = this.#known === null ? text : text.replace(this.#known, mask);
    return wellKnown.reduce((sum, pattern) => sum.replace(pattern, mask), masked);
  }

  /** A value of JSON with every text in it masked, names of members too. */
  value(value: unknown): unknown {
    if (typeof value === "string") return this.text(value);
    if (Array.isArray(value)) return value.map((one) => this.value(one));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [this.text(name), this.value(one)]));
  }
}

/** The pattern of a text that may have been escaped as in JSON. */
function anyEscape(text: string): string {
  const runs = text.match(/\\+|[^]/g) ?? [];
  return runs.map((run, index) => escapesOf(run, index === runs.length - 1)).join("");
}

const shortEscapes: Readonly<Record<string, string>> = {
  "\b": "b",
  "\f": "f",
  "\n": "n",
  "\r": "r",
  "\t": "t",
};

/** One code unit, or a run of backslashes: with more of them than there were, so that they are one pattern. */
function escapesOf(run: string, isLast: boolean): string {
  const code = run.charCodeAt(0).toString(16).padStart(4, "0");
  const byNumber = String.raw`\\+u${code.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)}`;
  // No more of them than need be: the last one may begin the escape of what comes next.
  if (run.startsWith("\\")) return String.raw`(?:${byNumber}|\\)+${isLast ? "" : "?"}`;
  const letter = shortEscapes[run];
  if (letter !== undefined) return String.raw`(?:${literal(run)}|\\+${letter}|${byNumber})`;
  // Backslashes before a quote or a slash belong to the escape.
  return /["/']/.test(run) ? String.raw`(?:\\*${literal(run)}|${byNumber})` : `(?:${literal(run)}|${byNumber})`;
}

function literal(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/-]/, String.raw`\$&`);
}
