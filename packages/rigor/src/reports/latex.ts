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

const greek =
  "α alpha β beta γ gamma δ delta ε varepsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi π pi ρ rho σ sigma τ tau υ upsilon φ varphi χ chi ψ psi ω omega Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Υ Upsilon Φ Phi Ψ Psi Ω Omega";

const commands = new Map([...Object.entries(specials), ...greekCommands()]);

function greekCommands(): [string, string][] {
  return [...greek.matchAll(/(\S) (\w+)/gu)].map(([, letter = "", name = ""]) => [letter, `$\\${name}$`]);
}

/**
 * Text that prints as it is, on one line. Greek letters and common signs become commands; other letters beyond ASCII
 * stand as they are in UTF-8, which pdfLaTeX prints for European scripts, and XeLaTeX and LuaLaTeX for all.
 */
export function escapeLatex(text: string): string {
  return Array.from(text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").replace(/([-,'])(?=\1)/g, "$1\0"))
    .map((character) => (character === "\0" ? "{}" : (commands.get(character) ?? character)))
    .join("");
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
