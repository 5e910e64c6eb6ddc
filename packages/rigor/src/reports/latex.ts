import type { Quantity, TextTable } from "./text-table.ts";

const specials: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "{": "\\{",
  "}": "\\}",
  $: "\\$",
  "&": "\\&",
  "#": "\\#",
  "%": "\\%",
  _: "\\_",
  "^": "\\textasciicircum{}",
  "~": "\\textasciitilde{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
  '"': "\\symbol{34}",
  "`": "\\textasciigrave{}",
  // After the end of a row these would be read as its options.
  "[": "{[}",
  "]": "{]}",
  "*": "{*}",
  "±": "$\\pm$",
  "×": "$\\times$",
  "−": "$-$",
  "≤": "$\\leq$",
  "≥": "$\\geq$",
  "↑": "$\\uparrow$",
  "↓": "$\\downarrow$",
  "→": "$\\rightarrow$",
  "∞": "$\\infty$",
  "†": "\\textsuperscript{\\textdagger}",
  "–": "\\textendash{}",
  "—": "\\textemdash{}",
  "°": "\\textdegree{}",
  "\u00b5": "$\\mu$",
};

const mathLetters =
  "α alpha β beta γ gamma δ delta ε varepsilon ϵ epsilon ζ zeta η eta θ theta ϑ vartheta ι iota κ kappa λ lambda μ mu ν nu ξ xi π pi ρ rho σ sigma τ tau υ upsilon φ varphi ϕ phi χ chi ψ psi ω omega Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega";
const mathSigns =
  "≠ neq ≈ approx ∼ sim ≡ equiv ∝ propto ← leftarrow ↔ leftrightarrow ⇒ Rightarrow √ surd ∑ sum ∏ prod ∂ partial ∇ nabla ∈ in ∅ emptyset ∩ cap ∪ cup";

const commands = new Map([...Object.entries(specials), ...mathCommands(mathLetters), ...mathCommands(mathSigns)]);

function mathCommands(pairs: string): [string, string][] {
  return [...pairs.matchAll(/(\S) (\w+)/gu)].map(([, character = "", name = ""]) => [character, `$\\${name}$`]);
}

/**
 * Text that prints as it is, on one line. Greek letters and common signs become commands; other characters beyond ASCII
 * stand as they are in UTF-8. What shows nothing, such as a zero-width space, is left out.
 */
export function escapeLatex(text: string): string {
  const line = text
    .toWellFormed()
    .normalize()
    .replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
  return Array.from(line.replace(/\p{Cf}/gu, "").replace(/([-,'])(?=\1)/g, "$1\0"))
    .map((character) => (character === "\0" ? "{}" : (commands.get(character) ?? character)))
    .join("");
}

/**
 * Definitions for the characters of a LaTeX text that pdfLaTeX may not know: it would stop at each of them, and now prints
 * `[U+6A21]`. What it or a package of the document defines is left alone, and so are XeLaTeX and LuaLaTeX, which take
 * them from the font. Empty where there are none.
 */
export function characterDefinitions(latex: string): string {
  const characters = [...new Set(latex.match(/\P{ASCII}/gu))].sort();
  if (characters.length === 0) return "";
  const lines = characters.map((character) => {
    const name = `u8:\\detokenize{${character}}`;
    const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return `  \\ifcsname ${name}\\endcsname\\else\\expandafter\\gdef\\csname ${name}\\endcsname{{[}U+${code}{]}}\\fi`;
  });
  return `\\ifdefined\\Umathcode\\else\n${lines.join("\n")}\n\\fi\n`;
}

/** A floating table with the rules of `booktabs`. */
export function renderLatexTable({ caption, columns, rows }: TextTable, label?: string): string {
  const head = columns.map(({ title }) => escapeLatex(title));
  const body = rows.map((row) =>
    row.map((cell) => cell.map((piece) => (typeof piece === "string" ? escapeLatex(piece) : quantity(piece))).join("")),
  );
  return [
    "\\begin{table}",
    "  \\centering",
    `  \\caption{${escapeLatex(caption)}}`,
    ...(label === undefined ? [] : [`  \\label{${label}}`]),
    `  \\begin{tabular}{${columns.map(({ align }) => (align === "left" ? "l" : "r")).join("")}}`,
    "    \\toprule",
    rowLine(head),
    "    \\midrule",
    ...body.map(rowLine),
    "    \\bottomrule",
    "  \\end{tabular}",
    "\\end{table}",
    "",
  ].join("\n");
}

const rowLine = (cells: readonly string[]): string => `    ${cells.join(" & ")} \\\\`;

function quantity({ value, half, exponent, bold }: Quantity): string {
  const body = half === null ? value : `${value} \\pm ${half}`;
  const scaled = exponent === 0 ? body : `${half === null ? body : `(${body})`} \\times 10^{${exponent}}`;
  return bold ? `$\\mathbf{${scaled}}$` : `$${scaled}$`;
}
