import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashInputs, openRun } from "../../../packages/rigor/helpers/rigor.ts";
import { uniformGenerator } from "../../random.ts";
import { featureMass, featuresRepresented, lossOf, squaredNorms } from "./model.ts";
import { draw, importanceOf, inputFrom, train, type Training } from "./train.ts";

const run = openRun();
const training: Training = {
  features: run.number("n_features", 5),
  hidden: run.number("n_hidden", 2),
  featureProbability: run.number("feature_probability", 0.05),
  importanceDecay: run.number("importance_decay", 0.9),
  steps: run.number("steps", 5000),
  batch: run.number("batch", 256),
  learningRate: run.number("learning_rate", 0.01),
};

const model = train(training, uniformGenerator(`training, seed ${run.seed}`), (step, loss) => {
  if (step % 100 === 0) run.log(step, { batch_loss: loss });
});

const evaluation = uniformGenerator(`evaluation, seed ${run.seed}`);
const draws = Array.from({ length: 10_000 }, () => draw(training.features, evaluation));
const inputs = draws.map((each) => inputFrom(each, training.featureProbability));
const importance = importanceOf(training);

// An input has more to get wrong if it has more features. The loss of a model that says nothing is the measure of that.
const silent = { ...model, weights: model.weights.map(() => 0), bias: model.bias.map(() => 0) };
const unexplained = lossOf(model, inputs, importance) / lossOf(silent, inputs, importance);

writeFileSync(
  join(run.output, "model.json"),
  JSON.stringify({
    ...training,
    weights: [...model.weights],
    bias: [...model.bias],
    squared_norms: squaredNorms(model),
  }),
);
run.report(
  {
    features_represented: featuresRepresented(model),
    feature_mass: featureMass(model),
    unexplained,
  },
  hashInputs(
    draws.map(({ presence, values }) => [presence, values]),
    importance,
  ),
);
