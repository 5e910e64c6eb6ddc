import type { CommandSpecification } from "../specification.ts";
import { boardCommands } from "./board.ts";
import { experimentCommands } from "./experiments.ts";
import { labCommands } from "./lab.ts";
import { steeringCommands } from "./steering.ts";

/** Every command, in the order of the help. */
export const specifications: readonly CommandSpecification[] = [
  ...experimentCommands,
  ...steeringCommands,
  ...boardCommands,
  ...labCommands,
];
