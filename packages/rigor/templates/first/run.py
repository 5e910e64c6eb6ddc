"""Estimates the centre of many small samples, and reports how far from the truth the estimates lie."""

import random
import statistics

import rigor

SAMPLES = 400
SIZE = 25
# How much wider the distribution of the outliers is.
WIDTH = 10

run = rigor.open_run()
estimate = {"mean": statistics.fmean, "median": statistics.median}[run.parameters.get("estimator", "mean")]
outliers = run.parameters.get("outliers", 0)

# Only the seed decides about the data, so that every arm of a seed sees the same.
source = random.Random(run.seed)
samples = [
    [source.gauss(0, WIDTH if source.random() < outliers else 1) for _ in range(SIZE)]
    for _ in range(SAMPLES)
]

squares = []
for step, sample in enumerate(samples, start=1):
    squares.append(estimate(sample) ** 2)
    if step % 100 == 0:
        run.log(step, {"error": statistics.fmean(squares) ** 0.5})
        print("after %d samples: error %.4f" % (step, statistics.fmean(squares) ** 0.5))

run.report({"error": statistics.fmean(squares) ** 0.5}, rigor.hash_inputs(samples))
