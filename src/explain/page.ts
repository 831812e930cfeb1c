/** The frame of every page that we write: one file, no script, no request; readable on a phone, in print, in the dark, by keyboard. */
import { escapeHtml } from "./escape.js";

const style = `
:root{color-scheme:light dark;--ink:#1c2024;--soft:#5b6470;--line:#d5dae0;--paper:#fff;--panel:#f5f7f9;--accent:#0b5cad;--good:#18794e;--bad:#b42318;--warn:#8a5a00;
--s0:#0b5cad;--s1:#c2410c;--s2:#18794e;--s3:#7c3aed;--s4:#b42318;--s5:#0e7490;--s6:#8a5a00;--s7:#5b6470}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa4af;--line:#353c44;--paper:#14171a;--panel:#1d2126;--accent:#7ab8ff;--good:#5fd39b;--bad:#ff8f83;--warn:#f0b64a;
--s0:#7ab8ff;--s1:#ffa066;--s2:#5fd39b;--s3:#c3a1ff;--s4:#ff8f83;--s5:#5cc8dd;--s6:#f0b64a;--s7:#9aa4af}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}
main,header,nav,footer{max-width:60rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.5rem}
h1{font-size:1.7rem;line-height:1.2;margin:.2em 0}
h2{font-size:1.3rem;margin:2.2em 0 .5em;border-bottom:1px solid var(--line);padding-bottom:.2em}
h3{font-size:1.08rem;margin:1.8em 0 .3em}
p{margin:.5em 0;max-width:44rem}
a{color:var(--accent)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.4rem .8rem;z-index:2}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.8rem 0}
.soft{color:var(--soft)}.small{font-size:.875rem}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.formula{display:flex;flex-wrap:wrap;align-items:center;gap:.35rem .5rem;overflow-x:auto;padding:.35rem 0;max-width:100%}
.formula math{font-size:1.12em}
.scroll{overflow-x:auto;max-width:100%}
ol.derivation{list-style:none;padding:0;counter-reset:line}
ol.derivation>li{counter-increment:line;border-left:3px solid var(--line);padding:.35rem 0 .35rem .9rem;margin:.5rem 0;break-inside:avoid}
ol.derivation>li::before{content:counter(line);float:left;margin-left:-2.3rem;width:1.2rem;text-align:right;color:var(--soft);font-size:.8rem}
@media (max-width:64rem){ol.derivation>li::before{content:none}}
ol.derivation>li.lemma{border-color:var(--warn)}ol.derivation>li.update{border-color:var(--accent)}
.rule{font-weight:600}
.algorithm{background:var(--panel);border-radius:.5rem;padding:.6rem 1rem}
.algorithm .loop{border-left:2px solid var(--line);margin-left:.3rem;padding-left:.9rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem;width:100%}
th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;color:var(--soft)}td.n,th.n{text-align:right;white-space:nowrap;overflow-wrap:normal}
td code{white-space:nowrap;overflow-wrap:normal}
thead th{position:sticky;top:0;background:var(--paper)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.9em}
pre{background:var(--panel);padding:.7rem 1rem;border-radius:.5rem;overflow-x:auto;white-space:pre}
svg{max-width:100%;height:auto;color:var(--ink)}
svg text{fill:currentColor;font:12px system-ui,sans-serif}
figure{margin:1rem 0;break-inside:avoid}figcaption{font-size:.9rem;color:var(--soft);max-width:44rem}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1rem}
.card{border:1px solid var(--line);border-radius:.5rem;padding:.2rem 1rem .8rem;margin:1rem 0;break-inside:avoid}
details summary{cursor:pointer}
footer{padding:2rem 1rem;color:var(--soft);font-size:.85rem}
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--line:#999;--paper:#fff;--panel:#fff;--accent:#000;--good:#000;--bad:#000;--warn:#000}
nav,.skip{display:none}body{font-size:10pt}main,header,footer{max-width:none;padding:0}.formula,.scroll,pre{overflow:visible;white-space:pre-wrap}
thead th{position:static}a{color:inherit;text-decoration:none}h2,h3{break-after:avoid}tr{break-inside:avoid}}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
`;

export interface PageSection {
  readonly id: string;
  readonly title: string;
  /** HTML; whoever made it has escaped what is not ours. */
  readonly body: string;
}
export interface Page {
  readonly title: string;
  /** HTML below the title. */
  readonly lead: string;
  readonly sections: readonly PageSection[];
  /** Plain text. */
  readonly footer: string;
}
/** No picture, script, font or frame may be fetched from anywhere, whatever the page holds. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** How a page of ours begins, by which it is known again. */
const opening = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="crate-compile">
`;
export const isOurPage = (text: string): boolean => text.startsWith(opening);

export function renderPage(page: Page): string {
  const links = page.sections.map((s) => `<li><a href="#${s.id}">${escapeHtml(s.title)}</a></li>`).join("");
  const sections = page.sections.map((s) => `<section aria-labelledby="${s.id}">\n<h2 id="${s.id}" tabindex="-1">${escapeHtml(s.title)}</h2>\n${s.body}\n</section>`).join("\n");
  return `${opening}<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(page.title)}</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header><h1>${escapeHtml(page.title)}</h1>${page.lead}</header>
<nav aria-label="Sections"><ul>${links}</ul></nav>
<main id="content" tabindex="-1">
${sections}
</main>
<footer>${escapeHtml(page.footer)}</footer>
</body>
</html>
`;
}

/** Cells are HTML; a column named in `numeric` is set flush right. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[], options: { readonly numeric?: readonly number[]; readonly label: string }): string {
  const numeric = new Set(options.numeric ?? []);
  const cell = (tag: "th" | "td", scope: string) => (text: string, i: number): string => `<${tag}${scope}${numeric.has(i) ? ' class="n"' : ""}>${text}</${tag}>`;
  const body = rows.map((r) => `<tr>${r.map(cell("td", "")).join("")}</tr>`).join("\n");
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(options.label)}"><table>
<thead><tr>${head.map(cell("th", ' scope="col"')).join("")}</tr></thead>
<tbody>
${body}
</tbody></table></div>`;
}
export const math = (inner: string): string => `<math>${inner}</math>`;
/** A formula in pieces between which a line may break; it scrolls sideways where a piece is wider than the page. */
export function renderFormula(pieces: readonly string[], label: string): string {
  return `<div class="formula" tabindex="0" role="region" aria-label="${escapeHtml(label)}">${pieces.map((p) => `<math display="block">${p}</math>`).join("\n")}</div>`;
}
