import { parseHTML } from "linkedom";

/** The parts of the DOM that tests look at; the types of browsers are not loaded here. */
export interface Parsed {
  localName: string;
  textContent: string;
  children: Iterable<Parsed>;
  attributes: Iterable<{ name: string; value: string }>;
  nextElementSibling: Parsed | null;
  getAttribute: (name: string) => string | null;
  closest: (selector: string) => Parsed | null;
  querySelector: (selector: string) => Parsed | null;
  querySelectorAll: (selector: string) => Iterable<Parsed>;
  remove: () => void;
}

/** The document element of HTML or SVG. */
export function parsed(markup: string): Parsed {
  return (parseHTML(markup) as unknown as { document: { documentElement: Parsed } }).document.documentElement;
}
