/** Numbers and times as people read them, on the terminal, in briefs and in exports. Pure; no locale changes the result. */

/** `1 run`, `12,000 runs`. */
export function plural(count: number, singular: string, many = `${singular}s`): string {
  return `${integer(count)} ${count === 1 ? singular : many}`;
}

/** `12,000` */
export function integer(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** US dollars: `$3.20`, `$0.0018`, `cost not known`. */
export function dollars(cost: number | null): string {
  return cost === null ? "cost not known" : `$${cost.toFixed(cost > 0 && cost < 0.1 ? 4 : 2)}`;
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

/** Texts of numbers that share their last digit. Each is to be multiplied by ten to the `exponent`. */
export interface RoundedTogether {
  texts: string[];
  /** Zero unless plain digits would be mostly zeros. */
  exponent: number;
}

/** How many digits of an uncertainty are kept. */
export type Digits = "few" | "two";

/**
 * Rounds numbers to the place where their uncertainty ends. Of it, `few` keeps one significant digit, two when the first
 * is 1; `two` always keeps two. Digits before the point are kept. Without an uncertainty, or with one that is nothing but
 * rounding error, four digits stay.
 */
export function roundedBy(uncertainty: number | null, values: readonly number[], digits: Digits): RoundedTogether {
  if (values.some((value) => !Number.isFinite(value))) return { texts: values.map(String), exponent: 0 };
  const size = Math.max(...values.map(Math.abs));
  const exponent = commonExponent(size);
  const scaled = values.map((value) => timesTenTo(value, -exponent));
  if (uncertainty === null || !Number.isFinite(uncertainty) || uncertainty <= size * 1e-12) {
    return { texts: scaled.map((value) => plain(value, 4)), exponent };
  }
  const places = decimals(timesTenTo(uncertainty, -exponent), digits);
  return { texts: scaled.map((value) => unsignedZero(value.toFixed(places))), exponent };
}

/** `93.3 ± 0.4`, rounded by {@link roundedBy}. */
export function withUncertainty(value: number, uncertainty: number): string {
  const { texts, exponent } = roundedBy(uncertainty, [value, uncertainty], "few");
  return quantityText(texts[0] ?? "", texts[1] ?? null, exponent);
}

/** `0.4`, `93.3 ± 0.4` or `(1.23 ± 0.04)e-5` from parts that are rounded already. */
export function quantityText(value: string, half: string | null, exponent: number): string {
  const body = half === null ? value : `${value} ± ${half}`;
  if (exponent === 0) return body;
  return `${half === null ? body : `(${body})`}e${exponent}`;
}

/** A value without a known uncertainty: four significant digits, and all digits before the point. */
export function number(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return String(value);
  const exponent = commonExponent(Math.abs(value));
  return quantityText(plain(timesTenTo(value, -exponent), digits), null, exponent);
}

/** A p value with three significant digits; a tiny one is never 0. */
export function pText(p: number): string {
  return p < 0.0001 ? "< 0.0001" : String(Number(p.toPrecision(3)));
}

/** A share of one: `95 %`. */
export function percent(share: number): string {
  return `${Number((100 * share).toPrecision(6))} %`;
}

/** Half of the width of an interval; null where there is none. */
export function halfWidth({ low, high }: { low: number | null; high: number | null }): number | null {
  return low === null || high === null ? null : (high - low) / 2;
}

/** Digits after the point that an uncertainty deserves. */
function decimals(uncertainty: number, digits: Digits): number {
  // Through text, so that 0.0996 counts as the 0.10 that it is rounded to.
  const [mantissa = "", exponent = "0"] = uncertainty.toExponential(1).split("e");
  const second = digits === "two" || mantissa.startsWith("1") ? 1 : 0;
  return Math.min(100, Math.max(0, second - Number(exponent)));
}

function plain(value: number, digits: number): string {
  const size = Math.abs(value);
  const before = size < 1 ? 0 : Math.floor(Math.log10(size)) + 1;
  const text = size < 1 ? Number(value.toPrecision(digits)).toFixed(6) : value.toFixed(Math.max(0, digits - before));
  return unsignedZero(text.includes(".") ? text.replace(/\.?0+$/, "") : text);
}

function commonExponent(size: number): number {
  if (size === 0 || (size >= 1e-3 && size < 1e7)) return 0;
  return Number(size.toExponential().split("e")[1]);
}

/** Through text: powers of ten below 1e-323 are no numbers. */
function timesTenTo(value: number, exponent: number): number {
  if (exponent === 0) return value;
  const [mantissa = "0", own = "0"] = value.toExponential().split("e");
  return Number(`${mantissa}e${Number(own) + exponent}`);
}

function unsignedZero(text: string): string {
  return Number(text) === 0 ? text.replace("-", "") : text;
}
