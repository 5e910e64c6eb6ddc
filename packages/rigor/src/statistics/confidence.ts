import type { Interval } from "./intervals.ts";

/** From least to most. */
export const confidenceLevels = ["low", "moderate", "high"] as const;
export type Confidence = (typeof confidenceLevels)[number];

export interface ConfidenceInput {
  /** The smallest number of seeds behind any number of the result. */
  seeds: number;
  /** One for every comparison that the result rests on. */
  effects: readonly { interval: Interval | null; min_effect: number }[];
  /** Concerns that nobody has verified as fixed. */
  open_concerns: number;
  /** A run of the result was repeated and gave the same values. */
  reproduced: boolean;
}

export interface ConfidenceCap {
  cap: Confidence;
  /** What keeps it from the next level; empty at `high`. */
  reasons: string[];
}

/**
 * The most confidence that a result may claim. `high` takes five seeds, intervals clear of zero and of `min_effect`
 * (neither lies inside), no open concern and a reproduced run; `moderate` takes three seeds.
 */
export function confidenceCap({ seeds, effects, open_concerns, reproduced }: ConfidenceInput): ConfidenceCap {
  if (!(seeds >= 3)) return { cap: "low", reasons: [`${seeds} seeds, moderate needs 3`] };
  const reasons = [
    ...(seeds >= 5 ? [] : [`${seeds} seeds, high needs 5`]),
    ...effectReasons(effects),
    ...(open_concerns === 0 ? [] : [`${open_concerns} open concerns`]),
    ...(reproduced ? [] : ["no run was reproduced"]),
  ];
  return { cap: reasons.length === 0 ? "high" : "moderate", reasons };
}

/** What stands after a person had a say: they may lower the cap, never raise it. */
export function cappedConfidence(cap: Confidence, chosen: Confidence): Confidence {
  return confidenceLevels.indexOf(chosen) < confidenceLevels.indexOf(cap) ? chosen : cap;
}

function effectReasons(effects: ConfidenceInput["effects"]): string[] {
  if (effects.length === 0) return ["no effect was tested"];
  return effects.flatMap(({ interval, min_effect }) => {
    if (interval === null) return ["an effect has no interval"];
    const inside = [...new Set([0, min_effect])].filter((value) => interval.low <= value && value <= interval.high);
    return inside.map((value) => `an interval includes ${value === 0 ? "zero" : `min_effect (${value})`}`);
  });
}
