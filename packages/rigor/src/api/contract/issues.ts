import { oc } from "@orpc/contract";
import { z } from "zod";
import { backendNames } from "../../domain/issues/agent-settings.ts";
import { submissionSchemas } from "../../domain/issues/submissions.ts";
import { documentVersion } from "./views/documents.ts";
import {
  gateView,
  issueKind,
  filedIssue,
  issueSummary,
  issueView,
  lacksRoom,
  personsSessionView,
  sessionDetail,
  sessionView,
} from "./views/issues.ts";
import { json } from "./views/states.ts";

/** The daemon works in a directory of its own, so that a relative path would name something else there. */
const project = z.string().regex(/^\//, "expected an absolute path").describe("Any directory of the repository");
const place = z.strictObject({ project, number: z.int().positive() });
const words = z.string().trim().min(1).max(10_000);
const reason = words.optional();

/** Issues, the gates at which they wait, and the sessions that work on them. */
export const boardContract = {
  issues: {
    file: oc
      .route({ method: "POST", path: "/issues", summary: "File an issue" })
      .input(
        z.strictObject({
          project,
          kind: issueKind.default("experiment"),
          title: z.string().trim().min(1).max(300),
          text: z.string().trim().min(1).max(50_000),
          backend: z
            .enum(backendNames)
            .optional()
            .describe("Who does the work of all its roles; else whom rigor.yaml names"),
          parent: z.int().positive().optional(),
          change: z
            .strictObject({ variable: words, to: words })
            .optional()
            .describe("The one variable of the parent's experiment that it changes, and its new value as YAML"),
        }),
      )
      .output(filedIssue),
    list: oc
      .route({ method: "GET", path: "/issues", summary: "Issues of a repository" })
      .input(z.strictObject({ project, all: z.boolean().default(false).describe("Also those that have ended") }))
      .output(z.object({ issues: z.array(issueSummary) })),
    get: oc
      .route({ method: "GET", path: "/issues/{number}", summary: "The whole story" })
      .input(place)
      .output(issueView),
    document: oc
      .route({ method: "GET", path: "/issues/{number}/document", summary: "Its result document" })
      .input(place.extend({ version: z.int().positive().optional().describe("Which one; the newest if left out") }))
      .output(documentVersion),
    accept: oc
      .route({ method: "POST", path: "/issues/{number}/accept", summary: "Let a proposal be worked on" })
      .input(place)
      .output(issueSummary),
    comment: oc
      .route({ method: "POST", path: "/issues/{number}/comment", summary: "Say something to whoever works on it" })
      .input(place.extend({ text: words }))
      .output(issueSummary),
    hold: oc
      .route({ method: "POST", path: "/issues/{number}/hold", summary: "Do nothing more for now" })
      .input(place.extend({ reason }))
      .output(issueSummary),
    resume: oc
      .route({ method: "POST", path: "/issues/{number}/resume", summary: "Go on where it stood" })
      .input(place.extend({ reason }))
      .output(issueSummary),
    cancel: oc
      .route({ method: "POST", path: "/issues/{number}/cancel", summary: "End it; its record stays" })
      .input(place.extend({ reason }))
      .output(issueSummary),
    waive: oc
      .route({ method: "POST", path: "/issues/{number}/waive", summary: "Let it go on in spite of a concern" })
      .input(place.extend({ concern: z.int().positive(), reason: words }))
      .output(issueSummary),
  },
  gates: {
    list: oc
      .route({ method: "GET", path: "/gates", summary: "What waits for a person, oldest first" })
      .input(z.strictObject({ project: project.optional() }))
      .output(z.object({ gates: z.array(gateView), sessions: z.array(personsSessionView), lacks_room: lacksRoom })),
    get: oc
      .route({ method: "GET", path: "/gates/{number}", summary: "One gate with its evidence" })
      .input(z.strictObject({ number: z.int().positive() }))
      .output(gateView),
    answer: oc
      .route({ method: "POST", path: "/gates/{number}/answer", summary: "Decide a gate" })
      .input(
        z.strictObject({
          number: z.int().positive(),
          choice: z.string(),
          reason,
          answers: z.array(z.string().max(10_000)).max(20).default([]),
          document: submissionSchemas.result.shape.document
            .optional()
            .describe("With the choice edit: the whole document as it is to be, with directives in place of numbers"),
        }),
      )
      .output(gateView),
  },
  sessions: {
    list: oc
      .route({ method: "GET", path: "/sessions", summary: "Sessions, newest first" })
      .input(z.strictObject({ project, issue: z.int().positive().optional(), all: z.boolean().default(false) }))
      .output(z.object({ sessions: z.array(sessionView) })),
    get: oc
      .route({ method: "GET", path: "/sessions/{id}", summary: "One session, its brief and its form" })
      .input(z.strictObject({ id: z.string().min(1) }))
      .output(sessionDetail),
    transcript: oc
      .route({ method: "GET", path: "/sessions/{id}/transcript", summary: "What happened in a session" })
      .input(z.strictObject({ id: z.string().min(1), after: z.int().nonnegative().default(0) }))
      .output(z.object({ entries: z.array(json), next: z.int(), ended: z.boolean() })),
    submit: oc
      .route({ method: "POST", path: "/sessions/{id}/submit", summary: "Hand in what a person's session asks for" })
      .input(z.strictObject({ id: z.string().min(1), content: json }))
      .output(z.object({ message: z.string() })),
    stop: oc
      .route({ method: "POST", path: "/sessions/{id}/stop", summary: "End a session" })
      .input(z.strictObject({ id: z.string().min(1), reason }))
      .output(sessionView),
  },
};
