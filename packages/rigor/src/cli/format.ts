/** Numbers and times as people read them. Pure; no locale changes the result. */

/** `1 run`, `12,000 runs`. */
export function plural(count: number, singular: string, many = `${singular}s`): string {
  return `${integer(count)} ${count === 1 ? singular : many}`;
}

/** `12,000` */
export function integer(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A value without a known uncertainty: four significant digits, and all digits before the point. */
export function number(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(digits - 1).replace("e+", "e");
  if (Number.isInteger(value)) return String(value);
  const before = size < 1 ? 0 : Math.floor(Math.log10(size)) + 1;
  const text = size < 1 ? String(Number(value.toPrecision(digits))) : value.toFixed(Math.max(0, digits - before));
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/**
 * `93.3 ± 0.4`: the uncertainty has one significant digit, two when the first is 1, and the value ends at the same
 * place. Digits before the point are never rounded away.
 */
export function withUncertainty(value: number, uncertainty: number): string {
  const exponent = commonExponent(Math.max(Math.abs(value), uncertainty));
  if (exponent !== 0) {
    const scale = 10 ** exponent;
    return `(${withUncertainty(value / scale, uncertainty / scale)})e${exponent}`;
  }
  const places = decimals(uncertainty);
  if (places === null) return `${number(value)} ± 0`;
  return `${fixed(value, places)} ± ${fixed(uncertainty, places)}`;
}

/** Digits after the point that an uncertainty deserves; null when it is zero or no number. */
function decimals(uncertainty: number): number | null {
  if (!Number.isFinite(uncertainty) || uncertainty <= 0) return null;
  // Through text, so that 0.096 counts as the 0.10 that it is rounded to.
  const [mantissa = "", exponent = "0"] = uncertainty.toExponential(1).split("e");
  const digits = mantissa.startsWith("1") ? 1 : 0;
  return Math.min(20, Math.max(0, digits - Number(exponent)));
}

function commonExponent(size: number): number {
  if (size === 0 || !Number.isFinite(size)) return 0;
  const exponent = Math.floor(Math.log10(size));
  return exponent < -3 || exponent >= 7 ? exponent : 0;
}

function fixed(value: number, places: number): string {
  const text = value.toFixed(places);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

/** Seconds as `0.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return both(Math.floor(whole / 60), "min", whole % 60, "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return both(Math.floor(minutes / 60), "h", minutes % 60, "min");
  const hours = Math.round(seconds / 3600);
  return both(Math.floor(hours / 24), "d", hours % 24, "h");
}

function both(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** Bytes in powers of 1000: `512 B`, `1.5 GB`. */
export function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : Number(value.toFixed(1))} ${units[unit]}`;
}

/** Runs per second as `3.2/s`, `12/min`, `4/h`. */
export function rate(perSecond: number): string {
  if (perSecond >= 1) return `${perSecond >= 9.95 ? integer(perSecond) : Number(perSecond.toFixed(1))}/s`;
  if (perSecond * 60 >= 1) return `${Number((perSecond * 60).toFixed(perSecond * 60 >= 9.95 ? 0 : 1))}/min`;
  return `${Number((perSecond * 3600).toFixed(1))}/h`;
}

/** How long ago a time was: `3 min ago`, `2 h ago`. */
export function ago(time: string, now: number): string {
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  if (seconds < 60) return seconds < 2 ? "now" : `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** A time to the second, in UTC: `2026-07-28 12:00:05 UTC`. */
export function moment(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** The beginning of an id, as it is shown and can be given back. */
export function shortId(id: string): string {
  return id.slice(0, 10);
}

/** Any parameter value, briefly: texts as they are, the rest as JSON. */
export function parameterText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** `lr=0.1, depth=3` */
export function gridText(grid: Readonly<Record<string, unknown>>): string {
  return Object.entries(grid)
    .map(([name, value]) => `${name}=${parameterText(value)}`)
    .join(", ");
}

/** `0-9` for long runs of seeds, else each one. */
export function seedsText(seeds: readonly number[]): string {
  const first = seeds[0];
  const last = seeds.at(-1);
  if (first === undefined || last === undefined) return "none";
  const consecutive = seeds.every((seed, index) => seed === first + index);
  return consecutive && seeds.length > 6 ? `${first} to ${last}` : seeds.join(", ");
}
