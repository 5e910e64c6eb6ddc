import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashInputs, openRun } from "../../../packages/rigor/helpers/rigor.ts";
import { uniformGenerator } from "../../random.ts";
import { lossOf, type Model } from "../../superposition/src/model.ts";
import { draw, importanceOf, inputFrom, train, type Training } from "../../superposition/src/train.ts";
import { pruneAtRandom, pruneByMagnitude } from "./prune.ts";

const share = 0.5;

const run = openRun();
const training: Training = {
  features: run.number("n_features"),
  hidden: run.number("n_hidden"),
  featureProbability: 0.1,
  importanceDecay: 0.9,
  steps: 1000,
  batch: 64,
  learningRate: 0.01,
};

switch (run.arm) {
  case "trained": {
    let batchLoss = 0;
    const model = train(training, uniformGenerator(`training, seed ${run.seed}`), (step, loss) => {
      batchLoss = loss;
      if (step % 100 === 0) run.log(step, { batch_loss: loss });
    });
    writeFileSync(
      join(run.output, "model.json"),
      JSON.stringify({ ...model, weights: [...model.weights], bias: [...model.bias] }),
    );
    report(model, { batch_loss: batchLoss });
    break;
  }
  case "magnitude":
    report(pruneByMagnitude(givenModel(), share));
    break;
  case "random":
    report(pruneAtRandom(givenModel(), share, uniformGenerator(`pruning, seed ${run.seed}`)));
    break;
  default:
    throw new Error(`there is no arm ${run.arm}`);
}

/** The model that the arm `trained` made for this task and seed. */
function givenModel(): Model {
  const text = readFileSync(join(run.need("trained"), "model.json"), "utf8");
  const { features, hidden, weights, bias } = JSON.parse(text) as Omit<Model, "weights" | "bias"> & {
    weights: number[];
    bias: number[];
  };
  return { features, hidden, weights: Float64Array.from(weights), bias: Float64Array.from(bias) };
}

/** Judges a model on inputs that are the same in every arm of a task and seed. */
function report(model: Model, more: Record<string, number> = {}): void {
  const evaluation = uniformGenerator(`evaluation, seed ${run.seed}`);
  const draws = Array.from({ length: 2_000 }, () => draw(training.features, evaluation));
  const inputs = draws.map((each) => inputFrom(each, training.featureProbability));
  const importance = importanceOf(training);
  const silent = { ...model, weights: model.weights.map(() => 0), bias: model.bias.map(() => 0) };
  const unexplained = lossOf(model, inputs, importance) / lossOf(silent, inputs, importance);
  run.report(
    { unexplained, ...more },
    hashInputs(
      draws.map(({ presence, values }) => [presence, values]),
      importance,
    ),
  );
}
