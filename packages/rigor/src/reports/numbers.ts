/** Numbers rounded by their uncertainty, before any markup. Pure; no locale changes the result. */

/** Texts of numbers that share their last digit. Each is to be multiplied by ten to the `exponent`. */
export interface RoundedTogether {
  texts: string[];
  /** Zero unless plain digits would be mostly zeros. */
  exponent: number;
}

/**
 * Rounds numbers to the place of the second significant digit of `half`, the half-width of their interval. Digits
 * before the point are kept. Without an interval, or with one that is nothing but rounding error, four digits stay.
 */
export function roundedBy(half: number | null, values: readonly number[]): RoundedTogether {
  if (values.some((value) => !Number.isFinite(value))) return { texts: values.map(String), exponent: 0 };
  const size = Math.max(...values.map(Math.abs));
  const exponent = commonExponent(size);
  const real = half === null || half <= size * 1e-12 ? null : half;
  const scaled = values.map((value) => timesTenTo(value, -exponent));
  if (real === null) return { texts: scaled.map(plain), exponent };
  const places = decimals(timesTenTo(real, -exponent));
  return { texts: scaled.map((value) => unsignedZero(value.toFixed(places))), exponent };
}

/** A p value with three significant digits. */
export function pText(p: number): string {
  return p < 0.0001 ? "< 0.0001" : String(Number(p.toPrecision(3)));
}

/** Digits after the point, for two significant ones. */
function decimals(half: number): number {
  // Through text, so that 0.0996 counts as the 0.10 that it is rounded to.
  return Math.max(0, 1 - Number(half.toExponential(1).split("e")[1]));
}

function plain(value: number): string {
  const digitsBefore = Math.abs(value) < 1 ? 0 : Math.floor(Math.log10(Math.abs(value))) + 1;
  const places = Math.abs(value) < 1 ? 6 : Math.max(0, 4 - digitsBefore);
  const text = Math.abs(value) < 1 ? Number(value.toPrecision(4)).toFixed(places) : value.toFixed(places);
  return unsignedZero(text.includes(".") ? text.replace(/\.?0+$/, "") : text);
}

function commonExponent(size: number): number {
  if (size === 0 || (size >= 1e-3 && size < 1e7)) return 0;
  return exponentOf(size);
}

function exponentOf(size: number): number {
  return Number(size.toExponential().split("e")[1]);
}

/** Through text: powers of ten below 1e-323 are no numbers. */
function timesTenTo(value: number, exponent: number): number {
  const [mantissa = "0", own = "0"] = value.toExponential().split("e");
  return Number(`${mantissa}e${Number(own) + exponent}`);
}

function unsignedZero(text: string): string {
  return Number(text) === 0 ? text.replace("-", "") : text;
}
