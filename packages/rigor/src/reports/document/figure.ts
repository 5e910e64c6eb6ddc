import { dot, gridY, axisX, axisY, line, link, plot, ruleX, text, type Markish } from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { number } from "../../domain/format/numbers.ts";
import type { FigureData, Panel, PanelArm } from "./figure-data.ts";

/** The palette of Okabe and Ito, told apart by colour-blind readers, without those that vanish on white or black. */
const palette = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999"];

/** In a file of its own a figure brings its colours along; a page's own rules are the same. */
export const figureColours =
  ".rigor-figure{color:#1f2328}.rigor-figure .ground{fill:#fff}" +
  "@media screen and (prefers-color-scheme:dark){.rigor-figure{color:#e6edf3}.rigor-figure .ground{fill:#0d1117}}";

const height = 260;
const gap = 12;
const titleHeight = 30;
const widestFile = 920;

interface Drawn {
  /** The content of an `svg` element. */
  content: string;
  width: number;
  height: number;
}

/** One file: title, then all panels in rows. The same figure gives the same bytes. */
export function figureFile(figure: FigureData): string {
  const panels = figure.panels.map((panel) => drawPanel(figure, panel));
  const width = Math.max(0, ...panels.map((panel) => panel.width));
  const columns = Math.max(1, Math.min(panels.length, Math.floor((widestFile + gap) / (width + gap))));
  const placed = panels.map(({ content, width: own, height: tall }, index) => {
    const x = (index % columns) * (width + gap);
    const y = titleHeight + Math.floor(index / columns) * (tall + gap);
    return `<svg x="${x}" y="${y}" width="${own}" height="${tall}">${content}</svg>`;
  });
  const rows = Math.ceil(panels.length / columns);
  const drawn = {
    content: placed.join(""),
    width: columns * (width + gap) - gap,
    height: titleHeight + rows * (height + gap),
  };
  const lines = wrapped(figure.title, Math.floor(drawn.width / 7.8));
  const shift = 16 * (lines.length - 1);
  const title = lines
    .map((part, index) => `<text x="4" y="${18 + 16 * index}" font-size="13" font-weight="600">${escaped(part)}</text>`)
    .join("");
  const content = `${title}<g transform="translate(0,${shift})">${drawn.content}</g>`;
  return document({ ...drawn, height: drawn.height + shift, content }, figure.title, figure.description);
}

/** One picture for each panel, for a page that sets them in as many columns as there is room for. */
export function figurePanels(figure: FigureData): string[] {
  return figure.panels.map((panel) => {
    const title = panel.title === "" ? figure.title : `${figure.title}, ${panel.title}`;
    return document(drawPanel(figure, panel), title, figure.panels.length === 1 ? figure.description : "");
  });
}

function document({ content, width, height: tall }: Drawn, title: string, description: string): string {
  const described = description === "" ? "" : `<desc>${escaped(description)}</desc>`;
  const label = escaped(title);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="rigor-figure" role="img" aria-label="${label}" width="${width}" height="${tall}" ` +
    `viewBox="0 0 ${width} ${tall}" fill="currentColor" font-family="system-ui, sans-serif" font-size="11">` +
    `<title>${label}</title>${described}<style>${figureColours}</style>` +
    `<rect class="ground" width="${width}" height="${tall}"/>${content}</svg>`
  );
}

/** Plots are made of elements, which no browser gives here; its types are not loaded, so that it is any object. */
function emptyPage(): { document: object } {
  const { document } = parseHTML("<!doctype html><html></html>") as unknown as { document: object };
  return { document };
}

/** Where a point stands across its arm's place: by seed, so that equal values stay apart and pairs stay parallel. */
interface Point {
  x: number;
  value: number;
  seed: number;
  colour: string;
  arm: string;
}

/** About as many marks on the vertical axis. */
const ticks = 6;
const spread = 0.16;
const aside = 0.3;

function drawPanel({ axis, paired }: FigureData, { title, arms }: Panel): Drawn {
  const perLine = arms.length > 4 ? 11 : 14;
  const names = arms.map(({ arm }) => wrapped(arm, perLine, 3));
  const lines = Math.max(1, ...names.map((name) => name.length));
  const width = 64 + Math.max(2, arms.length) * (arms.length > 4 ? 84 : 104);
  const points = pointsOf(arms);
  const means = arms.flatMap((one, index) =>
    one.mean === null ? [] : [{ ...one, mean: one.mean, x: asideOf(index, arms, paired) }],
  );
  const intervals = means.flatMap(({ low, high, ...one }) =>
    low === null || high === null ? [] : [{ ...one, low, high }],
  );
  const marks: Markish[] = [
    gridY({ strokeOpacity: 0.12, ticks }),
    axisY({ label: null, tickFormat: (value: number) => number(value, 6), ticks }),
    axisX(
      arms.map((_, index) => index),
      { label: null, tickSize: 0, tickFormat: (index: number) => names[index]?.join("\n") ?? "" },
    ),
    ...(paired ? [pairLines(points, arms)] : []),
    dot(points, {
      x: "x",
      y: "value",
      r: 2.6,
      fill: "colour",
      fillOpacity: 0.75,
      title: ({ arm, seed, value }: Point) => `${arm}, seed ${seed}: ${value}`,
    }),
    ruleX(intervals, {
      x: "x",
      y1: "low",
      y2: "high",
      stroke: ({ index }: PanelArm) => colourOf(index),
      strokeWidth: 2,
    }),
    link(
      intervals.flatMap(({ x, low, high, index }) =>
        [low, high].map((y) => ({ x1: x - 0.05, x2: x + 0.05, y, index })),
      ),
      { x1: "x1", x2: "x2", y1: "y", y2: "y", stroke: ({ index }: PanelArm) => colourOf(index), strokeWidth: 2 },
    ),
    dot(means, {
      x: "x",
      y: "mean",
      r: 4.5,
      fill: ({ index }: PanelArm) => colourOf(index),
      title: ({ arm, mean }: PanelArm) => `${arm}: mean ${mean}`,
    }),
    text(title === "" ? [] : [wrapped(title, Math.floor(width / 7.4), 1)[0] ?? ""], {
      frameAnchor: "top-left",
      textAnchor: "start",
      lineAnchor: "middle",
      dx: -52,
      dy: -36,
      text: (name: string) => name,
      fontWeight: 600,
      fontSize: 12,
    }),
    text([axis], {
      frameAnchor: "top-left",
      dx: -52,
      dy: -12,
      textAnchor: "start",
      lineAnchor: "bottom",
      text: (name: string) => wrapped(name, Math.floor(width / 6.1), 1)[0] ?? "",
    }),
  ];
  const drawn = plot({
    ...emptyPage(),
    width,
    height,
    marginLeft: 56,
    marginTop: title === "" ? 30 : 48,
    marginBottom: 14 + 12 * lines,
    marginRight: 8,
    x: { type: "linear", domain: [-0.5, Math.max(2, arms.length) - 0.5] },
    y: { domain: domainOf(points, arms), nice: true },
    color: { type: "identity" },
    marks,
  }) as unknown as { innerHTML: string; querySelectorAll: (selector: string) => Iterable<{ remove: () => void }> };
  for (const style of drawn.querySelectorAll("style")) style.remove();
  return { content: `<g text-anchor="middle">${drawn.innerHTML}</g>`, width, height };
}

function pointsOf(arms: readonly PanelArm[]): Point[] {
  const seeds = [...new Set(arms.flatMap(({ points }) => points.map(({ seed }) => seed)))].sort((a, b) => a - b);
  const offset = (seed: number): number =>
    seeds.length < 2 ? 0 : spread * ((2 * seeds.indexOf(seed)) / (seeds.length - 1) - 1);
  return arms.flatMap(({ arm, index, points }, place) =>
    points.map(({ seed, value }) => ({ x: place + offset(seed), value, seed, colour: colourOf(index), arm })),
  );
}

/** The mean stands beside its points: outside, where lines join the points of two arms. */
function asideOf(place: number, arms: readonly PanelArm[], paired: boolean): number {
  return place + (paired && place === arms.length - 1 ? aside : -aside);
}

function pairLines(points: readonly Point[], arms: readonly PanelArm[]): Markish {
  const both = new Set(
    points.map(({ seed }) => seed).filter((seed) => points.filter((one) => one.seed === seed).length === arms.length),
  );
  return line(
    points.filter(({ seed }) => both.has(seed)),
    { x: "x", y: "value", z: "seed", stroke: "currentColor", strokeOpacity: 0.3, strokeWidth: 1 },
  );
}

/** Everything that is drawn, with room around it where it has no extent. */
function domainOf(points: readonly Point[], arms: readonly PanelArm[]): [number, number] {
  const values = [...points.map(({ value }) => value), ...arms.flatMap(({ low, high }) => [low, high])].filter(
    (value) => value !== null,
  );
  if (values.length === 0) return [0, 1];
  const low = Math.min(...values);
  const high = Math.max(...values);
  const room = high > low ? 0.04 * (high - low) : Math.abs(low) * 0.05 || 1;
  return [low - room, high + room];
}

function colourOf(index: number): string {
  return palette[((index % palette.length) + palette.length) % palette.length] ?? "currentColor";
}

/** A name in lines of some letters, broken after separators where it has any; what is left ends with an ellipsis. */
export function wrapped(name: string, letters: number, most = Number.POSITIVE_INFINITY): string[] {
  const lines: string[] = [];
  let rest = Array.from(name);
  while (rest.length > letters && lines.length < most - 1) {
    const head = rest.slice(0, letters + 1);
    const separator = Math.max(...[" ", "-", "_", "/", ".", ","].map((one) => head.lastIndexOf(one)));
    const end = separator > 0 ? Math.min(letters, head[separator] === " " ? separator : separator + 1) : letters;
    lines.push(rest.slice(0, end).join(""));
    rest = rest.slice(end);
    if (rest[0] === " ") rest = rest.slice(1);
  }
  lines.push(rest.length > letters ? `${rest.slice(0, letters - 1).join("")}…` : rest.join(""));
  return lines;
}

/** Text for XML, attributes included. What XML cannot hold is left out. */
function escaped(value: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return value
    .toWellFormed()
    .replace(/[\p{Cc}\uFFFE\uFFFF]/gu, " ")
    .replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
