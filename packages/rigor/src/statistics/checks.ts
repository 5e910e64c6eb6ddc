import type { Json } from "../domain/canonical.ts";
import { artifactsOf, metricsOf } from "../domain/design.ts";
import type { Experiment, Metric } from "../domain/experiment.ts";

/** A check that did not hold; it makes the runs concerned invalid. JSON-ready. */
export interface CheckFailure {
  /** Stable: people and files refer to it. */
  rule: CheckRule;
  message: string;
  /** What was found. A number that JSON cannot carry stands as its name, such as "NaN". */
  values: Record<string, Json>;
}

export type CheckRule =
  | "metrics-present"
  | "metrics-finite"
  | "metrics-in-range"
  | "metrics-not-zero"
  | "artifacts-present"
  | "seeds-differ"
  | "above-chance"
  | "same-inputs"
  | "all-present";

/** How many metrics a message names. */
const mostNamed = 5;

export interface RunToCheck {
  experiment: Pick<Experiment, "arms" | "metrics" | "outputs" | "checks">;
  arm: string;
  /** As the run wrote them, not yet trusted to be numbers. */
  metrics: Readonly<Record<string, unknown>>;
  /** What was collected: paths relative to the output directory, sizes in bytes. */
  artifacts: readonly { path: string; size: number }[];
}

/** Checks one run by itself. Each metric fails by the first rule that it breaks, each artifact on its own. */
export function checkRun({ experiment, arm, metrics, artifacts }: RunToCheck): CheckFailure[] {
  const reported = new Set(metricsOf(experiment, arm));
  const metricFailures = Object.entries(experiment.metrics)
    .filter(([name]) => reported.has(name))
    .map(([name, metric]) => checkMetric(name, metric, experiment.checks.zero_allowed, metrics));
  const artifactFailures = artifactsOf(experiment, arm).map((path) => checkArtifact(path, artifacts));
  return [...metricFailures, ...artifactFailures].filter((failure) => failure !== null);
}

function checkMetric(
  name: string,
  metric: Metric,
  zeroAllowed: readonly string[],
  metrics: RunToCheck["metrics"],
): CheckFailure | null {
  const value = Object.hasOwn(metrics, name) ? metrics[name] : undefined;
  if (value === undefined) {
    const reported = Object.keys(metrics);
    const others = reported.length === 0 ? "no metric" : reported.slice(0, mostNamed).join(", ");
    const more = reported.length > mostNamed ? ` and ${reported.length - mostNamed} more` : "";
    return {
      rule: "metrics-present",
      message: `The run did not report ${name}. It reported ${others}${more}.`,
      values: { reported },
    };
  }
  const values = { [name]: asJson(value) };
  if (typeof value !== "number") {
    const hint = value === null ? " (several JSON writers write NaN as null)" : "";
    return { rule: "metrics-finite", message: `${name} is ${describe(value)}, not a number${hint}.`, values };
  }
  if (!Number.isFinite(value)) return { rule: "metrics-finite", message: `${name} is ${value}.`, values };
  const [low, high] = metric.range;
  if ((low !== null && value < low) || (high !== null && value > high)) {
    const message = `${name} is ${value}, outside ${low ?? "-infinity"} to ${high ?? "infinity"}.`;
    return { rule: "metrics-in-range", message, values: { ...values, range: [low, high] } };
  }
  if (value === 0 && zeroIsSuspicious(metric) && !zeroAllowed.includes(name)) {
    const message = `${name} is exactly 0. If that can be, list ${name} in checks.zero_allowed.`;
    return { rule: "metrics-not-zero", message, values };
  }
  return null;
}

/**
 * An exact zero is more often an empty evaluation, a mask over everything or an initial value than a measurement. It
 * is plausible only where the declared range has zero in its inside (a correlation in [-1, 1]); at an end of the
 * range (accuracy or loss from 0), or without any range, it has to be allowed by name.
 */
function zeroIsSuspicious({ range: [low, high] }: Metric): boolean {
  return low === 0 || high === 0 || (low === null && high === null);
}

/** A declared path is a file, or a directory of which at least one file has content. */
function checkArtifact(declared: string, artifacts: RunToCheck["artifacts"]): CheckFailure | null {
  const path = plainPath(declared);
  const found = artifacts.filter((artifact) => {
    const collected = plainPath(artifact.path);
    return collected === path || collected.startsWith(`${path}/`);
  });
  if (found.some(({ size }) => size > 0)) return null;
  return {
    rule: "artifacts-present",
    message: found.length === 0 ? `The artifact ${declared} is missing.` : `The artifact ${declared} is empty.`,
    values: { artifact: declared, collected: artifacts.map(({ path: one, size }) => ({ path: one, size })) },
  };
}

function plainPath(path: string): string {
  return path.replace(/^(\.\/)+/, "").replace(/\/+$/, "");
}

function describe(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

function asJson(value: unknown): Json {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  return typeof value === "number" ? String(value) : describe(value);
}
