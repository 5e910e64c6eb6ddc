import { findInvestigation, investigationsOf } from "../../conductor/investigations/queries.ts";
import { findRepository } from "../../provenance/git.ts";
import { api } from "../implementation.ts";
import { presentInvestigation, presentInvestigationStory } from "../present/investigations.ts";

export const investigations = {
  start: api.investigations.start.handler(async ({ context, input }) => {
    const { db } = context.lab.store;
    const { question, tools, model = null, max_turns: maxTurns = null, compute = null } = input;
    const project = await findRepository(input.project);
    const asked = { project, question, tools, model, maxTurns, compute };
    const numbers = await context.board.investigations.start(context.actor, asked, input.count);
    const records = await Promise.all(numbers.map((number) => findInvestigation(db, number)));
    return { investigations: await Promise.all(records.map((one) => presentInvestigation(context, one))) };
  }),

  list: api.investigations.list.handler(async ({ context, input }) => {
    const all = await investigationsOf(context.lab.store.db, await findRepository(input.project));
    const shown = all.filter(({ state }) => input.all || state !== "ended");
    return { investigations: await Promise.all(shown.map((one) => presentInvestigation(context, one))) };
  }),

  get: api.investigations.get.handler(async ({ context, input }) => {
    const found = await findInvestigation(context.lab.store.db, input.number);
    // Whoever is told that it has ended finds its files whole.
    if (found.state === "ended") await context.board.investigations.untilWritten();
    return presentInvestigationStory(context, found);
  }),

  stop: api.investigations.stop.handler(async ({ context, input }) => {
    await context.board.investigations.stop(input.number, input.reason ?? "A person stopped it.");
    await context.board.investigations.untilWritten();
    return presentInvestigation(context, await findInvestigation(context.lab.store.db, input.number));
  }),
};
