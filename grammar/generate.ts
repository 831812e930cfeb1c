/** What is generated from the parser? Each file by its name; `scripts/grammar.ts` writes them, a test compares them. */
import { lexicalRules, type Production, type Rule, rules } from "./productions.js";
import { textMateGrammar } from "./textmate.js";

export function generateGrammarFiles(): Readonly<Record<string, string>> {
  const all = rules();
  return {
    "srr.ebnf": ebnf(all),
    "railroad.html": railroad(all),
    "srr.tmLanguage.json": `${JSON.stringify(textMateGrammar(), null, 2)}\n`,
  };
}

const precedence = "Precedence, tightest first: ' and indexing; ^ .^ (from the right); unary -; * .* / ./ % and sum(k); + -; comparisons; |>.";

// ---------------------------------------------------------------- EBNF (ISO/IEC 14977 but for the brackets, which are W3C's)
function ebnf(all: readonly Rule[]): string {
  const width = Math.max(...all.map((rule) => rule.name.length));
  const lines = all.map((rule) => `${rule.name.padEnd(width)} ::= ${show(rule.body, true)}`);
  const lexical = lexicalRules.map((rule) => `${rule.name.padEnd(width)} ::= /* ${rule.text} */`);
  return [
    "/* The grammar of .srr files. Generated from grammar/parser.ts by scripts/grammar.ts; do not edit. */",
    `/* ${precedence} */`, "", ...lines, "", ...lexical, "",
  ].join("\n");
}

function show(p: Production, outermost = false): string {
  const group = (part: Production): string => (part.kind === "literal" || part.kind === "rule" ? show(part) : `( ${show(part, true)} )`);
  switch (p.kind) {
    case "literal": return p.text.includes('"') ? `'${p.text}'` : `"${p.text}"`;
    case "rule": return p.name;
    case "sequence": return p.parts.map((part) => show(part)).join(" ");
    case "choice": {
      const text = p.parts.map((part) => show(part, true)).join(" | ");
      return outermost ? text : `( ${text} )`;
    }
    case "optional": return `${group(p.part)}?`;
    case "repeat": {
      if (p.separator === undefined) return `${group(p.part)}${p.least === 0 ? "*" : "+"}`;
      const list = `${group(p.part)} ( "${p.separator}" ${group(p.part)} )*`;
      return p.least === 0 ? `( ${list} )?` : list;
    }
  }
}

// ---------------------------------------------------------------- railroad diagrams: boxes and lines of CSS, no scripts
const escapeHtml = (text: string): string => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");

function railroad(all: readonly Rule[]): string {
  const body = all.map((rule) => `<section id="${rule.name}"><h2>${rule.name}</h2><div class="track">${draw(rule.body)}</div></section>`);
  const lexical = lexicalRules.map((rule) => `<section id="${rule.name}"><h2>${rule.name}</h2><p>${escapeHtml(rule.text)}</p></section>`);
  return `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>The grammar of .srr files</title>
<!-- Generated from grammar/parser.ts by scripts/grammar.ts; do not edit. -->
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b1b1b; background: #fff; }
h2 { font-size: 1rem; margin: 1.8rem 0 .4rem; }
.track { overflow-x: auto; padding: .3rem 0; }
.track::before, .track::after { content: "●"; color: #777; }
.track, .row { display: flex; align-items: center; gap: .2rem; }
.row > * + *::before, .track > * + *::before { content: none; }
.row > *, .track > * { flex: none; }
.row > * + * { margin-left: .5rem; position: relative; }
.row > * + *::after { content: ""; position: absolute; left: -.6rem; top: 50%; width: .6rem; border-top: 1px solid #777; }
.choice { display: flex; flex-direction: column; gap: .25rem; border-left: 1px solid #777; border-right: 1px solid #777; border-radius: .6rem; padding: 0 .6rem; }
.optional { border: 1px dashed #999; border-radius: .6rem; padding: .25rem .5rem; }
.repeat { border: 1px solid #4a7; border-radius: .6rem; padding: .25rem .5rem; }
.note { font-size: .75rem; color: #476; display: block; text-align: center; }
code { background: #fdf3d7; border: 1px solid #c9a94a; border-radius: 1rem; padding: .1rem .6rem; white-space: pre; }
a { background: #e8eefb; border: 1px solid #7b93c9; padding: .1rem .5rem; color: inherit; text-decoration: none; }
</style>
<h1>The grammar of <code>.srr</code> files</h1>
<p>Round boxes are written as they stand, square ones are rules; dashed frames may be left out, green ones repeat. ${escapeHtml(precedence)}</p>
${[...body, ...lexical].join("\n")}
</html>
`;
}

function draw(p: Production): string {
  switch (p.kind) {
    case "literal": return `<code>${escapeHtml(p.text)}</code>`;
    case "rule": return `<a href="#${p.name}">${p.name}</a>`;
    case "sequence": return `<div class="row">${p.parts.map(draw).join("")}</div>`;
    case "choice": return `<div class="choice">${p.parts.map((part) => `<div class="row">${draw(part)}</div>`).join("")}</div>`;
    case "optional": return `<div class="optional">${draw(p.part)}</div>`;
    case "repeat": {
      const times = p.least === 0 ? "any number" : "one or more";
      const between = p.separator === undefined ? "" : `, with ${escapeHtml(p.separator)} between`;
      return `<div class="repeat">${draw(p.part)}<span class="note">${times}${between}</span></div>`;
    }
  }
}
