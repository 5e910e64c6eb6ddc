/** What a measure should reach. */
export type Goal = { below: number } | { atLeast: number };

export interface Measure {
  what: string;
  unit: string;
  goal?: Goal;
}

/** Notes samples of a measure; the median counts. */
export type Record<Name extends string> = (name: Name, ...samples: number[]) => void;

export interface Benchmark {
  title: string;
  measures: { [name: string]: Measure };
  /** Measures, and notes what it found; a measure that this machine cannot take is left out with a reason. */
  run: (record: Record<string>, note: (line: string) => void) => Promise<void>;
}

/** A benchmark whose measures are named by their keys. */
export function defineBenchmark<Name extends string>(benchmark: {
  title: string;
  measures: { [name in Name]: Measure };
  run: (record: Record<Name>, note: (line: string) => void) => Promise<void>;
}): Benchmark {
  return benchmark;
}

/** A measure as it came out. */
export interface Figure extends Measure {
  benchmark: string;
  name: string;
  /** Median of the samples; null when none was taken. */
  value: number | null;
  samples: number[];
  met: boolean | null;
}

/** @throws RangeError for no values */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  const lower = sorted[Math.ceil(middle) - 1];
  if (upper === undefined || lower === undefined) throw new RangeError("no values have no median");
  return (lower + upper) / 2;
}

export function isMet(goal: Goal, value: number): boolean {
  return "below" in goal ? value < goal.below : value >= goal.atLeast;
}

export function figures(name: string, benchmark: Benchmark, samples: ReadonlyMap<string, number[]>): Figure[] {
  return Object.entries(benchmark.measures).map(([measureName, measure]) => {
    const own = samples.get(measureName) ?? [];
    const value = own.length === 0 ? null : median(own);
    const met = measure.goal === undefined || value === null ? null : isMet(measure.goal, value);
    return { ...measure, benchmark: name, name: measureName, value, samples: own, met };
  });
}

/** `measure | value | goal | met` */
export function figureText({ what, unit, value, samples, goal, met }: Figure): string {
  const shown = value === null ? "not measured" : `${round(value)} ${unit}`;
  const spread =
    samples.length < 2
      ? ""
      : ` (${round(Math.min(...samples))} to ${round(Math.max(...samples))}, n=${samples.length})`;
  const verdict = met === null ? "" : met ? "met" : "MISSED";
  return [what.padEnd(64), `${shown}${spread}`.padEnd(40), goalText(goal, unit).padEnd(16), verdict]
    .join(" ")
    .trimEnd();
}

export function goalText(goal: Goal | undefined, unit: string): string {
  if (goal === undefined) return "";
  return "below" in goal ? `< ${goal.below} ${unit}` : `>= ${goal.atLeast} ${unit}`;
}

/** Three digits that count. */
export function round(value: number): string {
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 3));
}
