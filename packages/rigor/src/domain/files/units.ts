/** A value that was read, or the reason why it could not be. */
export type Reading<T> = { value: T } | { problem: string };

const decimal = ["b", "kb", "mb", "gb", "tb", "pb"];
const binary = ["b", "kib", "mib", "gib", "tib", "pib"];
const sizeHelp = "expected a size such as `1GB`, `512MiB`, or a number of bytes";

/** A size in bytes from `1GB` (powers of 1000), `512MiB` (powers of 1024) or a number of bytes. */
export function readSize(input: unknown): Reading<number> {
  if (typeof input === "number") return positiveInteger(input, sizeHelp);
  if (typeof input !== "string") return { problem: sizeHelp };
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(input.trim());
  if (match === null) return { problem: sizeHelp };
  const [, amount = "", unit = ""] = match;
  const factor = sizeFactor(unit.toLowerCase());
  if (factor === null) {
    return { problem: `\`${unit}\` is no unit of size; allowed: B, kB, MB, GB, TB, PB, KiB, MiB, GiB, TiB, PiB` };
  }
  return positiveInteger(Math.round(Number(amount) * factor), sizeHelp);
}

function sizeFactor(unit: string): number | null {
  const power = decimal.indexOf(unit);
  if (power >= 0) return 1000 ** power;
  const binaryPower = binary.indexOf(unit);
  return binaryPower >= 0 ? 1024 ** binaryPower : null;
}

const durationHelp = "expected a duration such as `10m`, `1h30m`, `2d`, `01:30:00`, or a number of seconds";

/** A duration in seconds from `1h30m`, `2d`, `HH:MM:SS` or a number of seconds. */
export function readDuration(input: unknown): Reading<number> {
  if (typeof input === "number") return positive(input, durationHelp);
  if (typeof input !== "string") return { problem: durationHelp };
  const text = input.trim();
  const clock = /^(\d+):([0-5]\d):([0-5]\d)$/.exec(text);
  if (clock !== null) {
    const [, hours, minutes, seconds] = clock;
    return positive(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds), durationHelp);
  }
  const amount = String.raw`(\d+(?:\.\d+)?)\s*`;
  const units = new RegExp(`^(?:${amount}d)?\\s*(?:${amount}h)?\\s*(?:${amount}m)?\\s*(?:${amount}s)?$`).exec(text);
  if (units === null || text === "") return { problem: durationHelp };
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = units;
  return positive(Number(days) * 86400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds), durationHelp);
}

function positive(value: number, help: string): Reading<number> {
  return Number.isFinite(value) && value > 0 ? { value } : { problem: `${help}, greater than zero` };
}

function positiveInteger(value: number, help: string): Reading<number> {
  return Number.isSafeInteger(value) && value > 0 ? { value } : { problem: `${help}, greater than zero` };
}
