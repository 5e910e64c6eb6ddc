/** @throws RangeError for an empty list. */
export function mean(x: readonly number[]): number {
  if (x.length === 0) throw new RangeError("the mean of no values is not defined");
  const rough = x.reduce((sum, value) => sum + value, 0) / x.length;
  // A second pass removes what the first one rounded away.
  return rough + x.reduce((sum, value) => sum + (value - rough), 0) / x.length;
}

/** Sample standard deviation, with n - 1. @throws RangeError for fewer than two values. */
export function standardDeviation(x: readonly number[]): number {
  if (x.length < 2) throw new RangeError("a standard deviation needs at least two values");
  const centre = mean(x);
  return Math.sqrt(x.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (x.length - 1));
}

/** @throws RangeError for an empty list. */
export function median(x: readonly number[]): number {
  return quantileOfSorted([...x].sort(ascending), 0.5);
}

/** Linear interpolation between order statistics (type 7 of Hyndman and Fan). */
export function quantileOfSorted(sorted: readonly number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  const above = sorted[Math.ceil(place)];
  if (below === undefined || above === undefined) throw new RangeError("no values have no quantile");
  return below + (above - below) * (place - Math.floor(place));
}

export function ascending(a: number, b: number): number {
  return a - b;
}
