import { checkCompute } from "../../bench/computes/compute-check.ts";
import { drain, recordCheck, rest, resume } from "../../bench/computes/compute-steering.ts";
import type { Lane } from "../../bench/lab/lane.ts";
import { computesOf, readSettings } from "../../bench/lab/settings.ts";
import { RigorError } from "../../domain/errors.ts";
import type { Compute } from "../../domain/files/compute-schema.ts";
import { findRepository } from "../../provenance/git.ts";
import type { ApiContext } from "../context.ts";
import type { ComputeView } from "../contract/views/computes.ts";
import { api } from "../implementation.ts";
import { presentCompute } from "../present/computes.ts";

/** Seconds that the job of a check may take, where nobody says otherwise. */
const usualWait = 120;

/** What stands where nobody says why. */
const unexplained = "no reason was given";

interface Named {
  name: string;
  configuration: Compute;
  lane: Lane;
}

export const computes = {
  list: api.computes.list.handler(async ({ context, input }) => {
    const repository = await findRepository(input.repository);
    const found = await openAll(context, repository, Object.keys(readSettings(repository).compute));
    return { computes: await Promise.all(found.map((one) => present(context, one))) };
  }),

  check: api.computes.check.handler(async ({ context, input }) => {
    const found = await openOne(context, input);
    const { lab, actor, dispatcher } = context;
    const other = lab.driving.otherDriver(found.lane.machine);
    if (other !== null) {
      throw new RigorError("not-possible", `${input.name} is driven by the daemon on ${other}.`, {
        next: "Check it there: what counts is whether that one reaches it.",
      });
    }
    try {
      const findings = await checkCompute(found.lane, lab.data, (input.wait ?? usualWait) * 1_000);
      await recordCheck(lab, actor, found.lane, findings);
      dispatcher.wake();
      return { compute: await present(context, found), findings };
    } catch (error) {
      // It is told, and not recorded: a machine that does not answer says nothing about itself.
      if (!(error instanceof RigorError) || error.code !== "unreachable") throw error;
      const silence = { check: "reach", ok: false, found: error.message, remedy: error.next ?? null };
      return { compute: await present(context, found), findings: [silence] };
    }
  }),

  rest: api.computes.rest.handler(({ context, input }) =>
    steer(context, input, (lane) =>
      rest(context.lab, context.actor, lane, input.message ?? unexplained, input.seconds),
    ),
  ),

  drain: api.computes.drain.handler(({ context, input }) =>
    steer(context, input, (lane) => drain(context.lab, context.actor, lane, input.name, input.message ?? unexplained)),
  ),

  use: api.computes.use.handler(({ context, input }) =>
    steer(context, input, async (lane) => {
      await resume(context.lab, context.actor, lane);
      lane.doubt();
    }),
  ),
};

async function steer(
  context: ApiContext,
  input: { repository: string; name: string },
  change: (lane: Lane) => Promise<void>,
): Promise<ComputeView> {
  const found = await openOne(context, input);
  await change(found.lane);
  context.dispatcher.wake();
  return await present(context, found);
}

async function openOne(context: ApiContext, input: { repository: string; name: string }): Promise<Named> {
  const [found] = await openAll(context, await findRepository(input.repository), [input.name]);
  if (found === undefined) throw new Error(`${input.name} was asked for and not found`);
  return found;
}

async function openAll({ lab }: ApiContext, repository: string, names: readonly string[]): Promise<Named[]> {
  const found = computesOf(repository, names);
  return Promise.all(found.map(async (one) => ({ ...one, lane: await lab.lanes.open(one.configuration) })));
}

const present = (context: ApiContext, { name, configuration, lane }: Named): Promise<ComputeView> =>
  presentCompute(context, name, configuration, lane);
