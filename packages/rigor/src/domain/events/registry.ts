import type { z } from "zod";
import { attemptEvents } from "./attempt-events.ts";
import { computeEvents } from "./compute-events.ts";
import type { Event, EventKind, NewEvent, RowRef, State } from "./event.ts";
import { experimentEvents } from "./experiment-events.ts";
import { gateEvents } from "./gate-events.ts";
import { investigationEvents } from "./investigation-events.ts";
import { issueEvents } from "./issue-events.ts";
import { runEvents } from "./run-events.ts";
import { sessionEvents } from "./session-events.ts";
import { concernEvents, submissionEvents } from "./submission-events.ts";

/** Every kind of event that exists. A kind is written, read and applied through this object only. */
export const eventKinds = {
  ...experimentEvents,
  ...runEvents,
  ...attemptEvents,
  ...computeEvents,
  ...issueEvents,
  ...submissionEvents,
  ...concernEvents,
  ...gateEvents,
  ...sessionEvents,
  ...investigationEvents,
};

export type EventName = keyof typeof eventKinds;
export type EventData<Name extends EventName> = z.infer<(typeof eventKinds)[Name]["schema"]>;
/** Any event that the domain yields, with the data that its kind asks for. */
export type DomainEvent = { [Name in EventName]: NewEvent<Name, EventData<Name>> }[EventName];

/** A log holds a kind or a version of event that this program does not know. */
export class UnknownEventError extends Error {
  constructor(what: string) {
    super(`${what}: the log was written by another version of Rigor`);
    this.name = "UnknownEventError";
  }
}

/** The definition of a kind. The data's type is erased: it was checked against the kind's schema. */
function definitionOf(kind: string): EventKind<unknown> {
  if (!Object.hasOwn(eventKinds, kind)) throw new UnknownEventError(`event kind ${kind} is unknown`);
  return eventKinds[kind as EventName] as EventKind<unknown>;
}

/** A new event that passed its schema. */
export interface SealedEvent extends NewEvent {
  version: number;
  /** The data as the log keeps it. */
  json: string;
}

/**
 * Checks new data against its kind and states the version that it is written in.
 *
 * @throws UnknownEventError, ZodError
 */
export function sealEvent(event: NewEvent): SealedEvent {
  const definition = definitionOf(event.kind);
  const { kind, entity } = event;
  const parsed = definition.schema.parse(event.data);
  const json = JSON.stringify(parsed);
  if (!maybeUnstorable.test(json)) return { kind, entity, version: definition.version, data: parsed, json };
  const data = storable(json);
  return { kind, entity, version: definition.version, data, json: JSON.stringify(data) };
}

/** Escapes that JSON writes for characters that no database keeps as text: NUL, and halves of a surrogate pair. */
const maybeUnstorable = /\\u(?:0000|d[89a-f])/;

/** Such characters come out of broken output of jobs; each is shown as U+FFFD, in the log and in the tables alike. */
function storable(json: string): unknown {
  return JSON.parse(json, (_key, value: unknown) =>
    typeof value === "string" ? value.toWellFormed().replaceAll("\0", "\ufffd") : value,
  );
}

/**
 * An event as read from a log, brought to the present version of its kind.
 *
 * @throws UnknownEventError when this program does not know the kind, or the version
 */
export function currentEvent(event: Event): Event {
  return upcastEvent(definitionOf(event.kind), event);
}

/**
 * Brings an event to the present version of its definition.
 *
 * @throws UnknownEventError when the event is newer, or too old to be read; ZodError when the upcast is wrong
 */
export function upcastEvent<Data>(definition: EventKind<Data>, event: Event): Event {
  if (event.version === definition.version) return event;
  if (event.version > definition.version || definition.upcast === undefined) {
    throw new UnknownEventError(`${event.kind} has version ${event.version}`);
  }
  const data = definition.schema.parse(definition.upcast(event.data, event.version));
  return { ...event, data, version: definition.version };
}

/** The rows that applying an event reads and writes. */
export function touchedRows(event: Event): RowRef[] {
  return definitionOf(event.kind).touches(event);
}

/**
 * Applies an event to a draft of the tables.
 *
 * @throws TransitionError when the event does not fit the state; the caller then drops the draft.
 */
export function applyEvent(state: State, event: Event): void {
  definitionOf(event.kind).apply(state, event);
}
