"""Estimates pi as the integral of a function over [0, 1] with the same number of evaluations in three ways.

The error of one estimate is mostly luck, so a run makes many and reports their root mean square error.
"""

import math
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packages/rigor/helpers"))
import rigor

# Both integrals over [0, 1] are pi.
INTEGRANDS = {
    "circle": lambda x: 4 * math.sqrt(1 - x * x),
    "arctangent": lambda x: 4 / (1 + x * x),
}


def plain(evaluations, uniform):
    """Independent points."""
    return [uniform() for _ in range(evaluations)]


def antithetic(evaluations, uniform):
    """Pairs x and 1 - x: their errors have opposite signs where the integrand is monotone."""
    return [point for x in plain(evaluations // 2, uniform) for point in (x, 1 - x)]


def stratified(evaluations, uniform):
    """One point in each of equally long strata."""
    return [(stratum + uniform()) / evaluations for stratum in range(evaluations)]


SAMPLERS = {"plain": plain, "antithetic": antithetic, "stratified": stratified}


def estimate(integrand, points):
    return sum(integrand(x) for x in points) / len(points)


def root_mean_square(values):
    return math.sqrt(sum(value * value for value in values) / len(values))


def main():
    run = rigor.open_run()
    problem = {
        "integrand": run.parameters.get("integrand", "circle"),
        "evaluations": run.parameters.get("evaluations", 500),
        "repetitions": run.parameters.get("repetitions", 200),
        "seed": run.seed,
    }
    integrand = INTEGRANDS[problem["integrand"]]
    sampler = SAMPLERS[run.parameters.get("sampler", "plain")]
    uniform = random.Random(run.seed).random

    errors = []
    for repetition in range(1, problem["repetitions"] + 1):
        errors.append(estimate(integrand, sampler(problem["evaluations"], uniform)) - math.pi)
        if repetition % 20 == 0:
            run.log(repetition, {"error": root_mean_square(errors)})
    run.report({"error": root_mean_square(errors)}, rigor.hash_inputs(problem))


if __name__ == "__main__":
    main()
