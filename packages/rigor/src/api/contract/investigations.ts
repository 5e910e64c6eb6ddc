import { oc } from "@orpc/contract";
import { z } from "zod";
import { investigationSummary, investigationView } from "./views/investigations.ts";

/** The daemon works in a directory of its own, so that a relative path would name something else there. */
const absolutePath = z.string().regex(/^\//, "expected an absolute path");
const project = absolutePath.describe("Any directory of the repository");
const byNumber = z.strictObject({ number: z.int().positive() });

/** Questions that agents with measuring tools look into. */
export const investigationContract = {
  investigations: {
    start: oc
      .route({ method: "POST", path: "/investigations", summary: "Start investigations of a question" })
      .input(
        z.strictObject({
          project,
          question: z.string().trim().min(1).max(50_000),
          tools: absolutePath.describe("Absolute path of the file that describes the tool servers"),
          model: z.string().min(1).optional(),
          compute: z.string().min(1).optional().describe("Name of the compute that the tool servers run on"),
          max_turns: z.int().min(1).max(10_000).optional(),
          count: z.int().min(1).max(50).default(1).describe("How many agents, each on its own"),
        }),
      )
      .output(z.object({ investigations: z.array(investigationSummary) })),
    list: oc
      .route({ method: "GET", path: "/investigations", summary: "Investigations of a repository, newest first" })
      .input(z.strictObject({ project, all: z.boolean().default(false).describe("Also those that have ended") }))
      .output(z.object({ investigations: z.array(investigationSummary) })),
    get: oc
      .route({ method: "GET", path: "/investigations/{number}", summary: "One investigation with its log" })
      .input(byNumber)
      .output(investigationView),
    stop: oc
      .route({ method: "POST", path: "/investigations/{number}/stop", summary: "End one; what it found stays" })
      .input(byNumber.extend({ reason: z.string().trim().min(1).max(10_000).optional() }))
      .output(investigationSummary),
  },
};
