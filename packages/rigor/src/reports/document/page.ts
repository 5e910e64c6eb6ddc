import type { DocumentFacts } from "./facts.ts";

/** A page for a screen of any width, light or dark, and for paper. No script, nothing from elsewhere. */
export function htmlPage({
  title,
  body,
  facts: { experiment },
  hash,
}: {
  title: string;
  /** HTML that is safe. */
  body: string;
  facts: DocumentFacts;
  hash: string;
}): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src 'none'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${body}
</main>
<footer>Of ${escapeHtml(experiment.reference)}. Numbers are resolved from recorded runs; each links to them. Document <code>${hash}</code>.</footer>
</body>
</html>
`;
}

const style = `
:root{color-scheme:light dark;--text:#1f2328;--dim:#59636e;--ground:#fff;--line:#d1d9e0;--soft:#f6f8fa;--link:#0b5cad;--bad:#b3261e;--good:#1a7f37;--open:#8a5a00}
@media screen and (prefers-color-scheme:dark){:root{--text:#e6edf3;--dim:#9198a1;--ground:#0d1117;--line:#3d444d;--soft:#151b23;--link:#6cb2ff;--bad:#ff8a80;--good:#56d364;--open:#e3b341}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:16px/1.55 system-ui,sans-serif}
main,footer{max-width:54rem;margin:0 auto;padding:0 1rem;overflow-wrap:break-word}
main{padding-top:1.5rem}
h1{font-size:1.8rem;line-height:1.25;margin:0 0 1rem}
h2{font-size:1.25rem;margin:2.2rem 0 .6rem;padding-bottom:.2rem;border-bottom:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.4rem 0 .4rem}
p,ul,ol,blockquote,pre{margin:.6rem 0}
a{color:var(--link)}
a.value{color:inherit;text-decoration:underline dotted var(--dim);text-underline-offset:.2em;font-variant-numeric:tabular-nums}
a.value:hover{color:var(--link)}
:target{background:color-mix(in srgb,var(--link) 18%,transparent)}
code{font:.875em ui-monospace,monospace;background:var(--soft);padding:.1em .3em;border-radius:4px}
pre{overflow-x:auto;background:var(--soft);padding:.7rem .9rem;border-radius:6px}
pre code{padding:0;background:none}
blockquote{margin-left:0;padding-left:.9rem;border-left:3px solid var(--line);color:var(--dim)}
code.unresolved{outline:1px solid var(--bad);color:var(--bad)}
.caption,figcaption{color:var(--dim);font-size:.875rem}
figcaption{font-style:normal}
.outcome-supported strong:first-child{color:var(--good)}
.outcome-refuted strong:first-child{color:var(--bad)}
.outcome-inconclusive strong:first-child{color:var(--open)}
.table{overflow-x:auto;margin:.6rem 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th[align=right],td[align=right]{text-align:right;white-space:nowrap}
td:first-child{white-space:nowrap}
th{border-bottom-width:2px;white-space:nowrap}
#runs~.table,#values~ul{font-size:.8rem}
#runs~.table td{white-space:nowrap}
#runs~.table table{font-size:1em}
figure{margin:1.2rem 0}
.panels{display:flex;flex-wrap:wrap;gap:.75rem}
.panels svg{max-width:100%;height:auto;flex:none}
footer{color:var(--dim);font-size:.8rem;margin-top:3rem;padding-bottom:2rem}
footer code{overflow-wrap:anywhere}
@media print{body{font-size:10.5pt}main,footer{max-width:none}h2,h3,.caption{break-after:avoid}figure,tr{break-inside:avoid}#runs~.table{font-size:6.5pt}#runs~.table td{white-space:normal;padding:.1rem .3rem}.table{overflow:visible}a{color:inherit}}
`;

export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
