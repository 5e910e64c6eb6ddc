// Estimates the centre of many small samples, and reports how far from the truth the estimates lie.
import { hashInputs, openRun } from "./rigor.mts";

const sampleCount = 400;
const size = 25;
// How much wider the distribution of the outliers is.
const width = 10;

const run = openRun();
const estimate = { mean, median }[run.text("estimator", "mean")] ?? mean;
const outliers = run.number("outliers", 0);

// Only the seed decides about the data, so that every arm of a seed sees the same.
const random = generator(run.seed);
const samples = Array.from({ length: sampleCount }, () =>
  Array.from({ length: size }, () => (random() < outliers ? width : 1) * normal()),
);

let sum = 0;
for (const [index, sample] of samples.entries()) {
  const step = index + 1;
  sum += estimate(sample) ** 2;
  if (step % 100 === 0) {
    const error = Math.sqrt(sum / step);
    run.log(step, { error });
    console.log(`after ${step} samples: error ${error.toFixed(4)}`);
  }
}

run.report({ error: Math.sqrt(sum / sampleCount) }, hashInputs(samples));

function mean(values) {
  return values.reduce((total, value) => total + value, 0) / values.length;
}

/** Of an odd number of values. */
function median(values) {
  return [...values].sort((a, b) => a - b)[(values.length - 1) / 2];
}

/** Normal by Box and Muller. */
function normal() {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Uniform in [0, 1): mulberry32. */
function generator(seed) {
  let state = (seed + 1) * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
