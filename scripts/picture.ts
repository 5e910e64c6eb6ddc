import { readFileSync, writeFileSync } from "node:fs";

// Draws the text on standard input as a terminal, into the file that is named: the picture in the README.

const width = 8.4;
const height = 19;
const margin = 16;

const text = readFileSync(0, "utf8").trimEnd();
const lines = text.split("\n");
const columns = Math.max(...lines.map((line) => line.length));
const size = { x: Math.ceil(columns * width + 2 * margin), y: lines.length * height + 2 * margin };
const escaped = (line: string) => line.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const rows = lines.map(
  (line, index) => `<text x="${margin}" y="${margin + (index + 0.75) * height}">${escaped(line)}</text>`,
);
const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: picture.ts FILE <TEXT");
writeFileSync(
  file,
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size.x}" height="${size.y}" viewBox="0 0 ${size.x} ${size.y}">`,
    `<rect width="100%" height="100%" rx="8" fill="#16181d"/>`,
    `<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#d8dee9" xml:space="preserve">`,
    ...rows,
    "</g>",
    "</svg>",
    "",
  ].join("\n"),
);
