import type { z } from "zod";
import { attemptEvents } from "./attempt-events.ts";
import type { Event, EventKind, NewEvent, RowRef, State } from "./event.ts";
import { experimentEvents } from "./experiment-events.ts";
import { runEvents } from "./run-events.ts";

/** Every kind of event that exists. A kind is written, read and applied through this object only. */
export const eventKinds = { ...experimentEvents, ...runEvents, ...attemptEvents };

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

/** Checks new data against its kind and states the version that it is written in. */
export function sealEvent(event: NewEvent): NewEvent & { version: number } {
  const kind = definitionOf(event.kind);
  return { ...event, data: kind.schema.parse(event.data), version: kind.version };
}

/** An event as read from a log, brought to the present version of its kind. */
export function currentEvent(event: Event): Event {
  const kind = definitionOf(event.kind);
  if (event.version === kind.version) return event;
  if (event.version > kind.version || kind.upcast === undefined) {
    throw new UnknownEventError(`${event.kind} has version ${event.version}`);
  }
  const data = kind.schema.parse(kind.upcast(event.data, event.version));
  return { ...event, data, version: kind.version };
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
