/**
 * `npm run reproduce`: the papers' claims that fit a laptop, each a card: claim, figure or table, the paper's number, ours, tolerance.
 * Writes docs/reproduce.md, docs/reproduce.html and the pictures. `-- ID…` runs cards whose id begins so, `-- --epochs 2` trains shorter
 * (and says so), `-- --no-training` leaves training out, `-- --list` names the cards. What does not reproduce is reported as such.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { escapeHtml } from "../src/explain/escape.js";
import { renderPage } from "../src/explain/page.js";
import type { Card, Context, Finding } from "./reproduce/card.js";
import { exactCards } from "./reproduce/exact-cards.js";
import { trainedCards } from "./reproduce/trained-cards.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { epochs: { type: "string" }, "no-training": { type: "boolean" }, list: { type: "boolean" }, out: { type: "string", default: "docs" }, work: { type: "string", default: "out/reproduce" } },
});
const cards: readonly Card[] = [...exactCards, ...trainedCards];
if (values.list) {
  for (const c of cards) console.log(`${c.id}${c.trains ? " (trains)" : ""}: ${c.claim}`);
  process.exit(0);
}
const epochs = values.epochs === undefined ? undefined : Number(values.epochs);
if (epochs !== undefined && !(Number.isInteger(epochs) && epochs > 0)) {
  console.error("--epochs wants a whole number");
  process.exit(2);
}
const chosen = cards.filter((c) => (positionals.length === 0 || positionals.some((p) => c.id.startsWith(p))) && !(values["no-training"] && c.trains));
if (chosen.length === 0) {
  console.error(`no card begins with ${positionals.join(", ")}; there are ${cards.map((c) => c.id).join(", ")}`);
  process.exit(2);
}

interface Outcome extends Finding {
  readonly card: Omit<Card, "run">;
  readonly command: string;
}
const context: Context = { say: (text) => console.error(`  ${text}`), work: values.work as string, epochs };
const commandOf = (card: Card): string => `npm run reproduce -- ${card.id}${epochs !== undefined && card.trains ? ` --epochs ${epochs}` : ""}`;
const verdictOf = (o: Outcome): string => (o.holds === undefined ? "measured" : o.holds ? "reproduced" : "not reproduced");

const store = `${values.out}/reproduce`;
const memory = `${store}/findings.json`;
mkdirSync(store, { recursive: true });
// Cards that are not run now keep what they found before.
const before: readonly Outcome[] = existsSync(memory) ? JSON.parse(readFileSync(memory, "utf8")) as readonly Outcome[] : [];
const drawing = (id: string): string => `${store}/${id}.svg`;
const known = new Map(before.map((o): [string, Outcome] => [o.card.id, {
  ...o, pictures: (o.pictures ?? []).flatMap((p) => (existsSync(drawing(p.id)) ? [{ ...p, svg: readFileSync(drawing(p.id), "utf8") }] : [])),
}]));
for (const card of chosen) {
  const { run, ...rest } = card;
  let finding: Finding;
  try {
    finding = await run(context);
  } catch (error) {
    finding = { ours: `could not be run: ${error instanceof Error ? error.message : String(error)}`, holds: false };
  }
  const outcome: Outcome = { card: rest, command: commandOf(card), ...finding };
  known.set(card.id, outcome);
  console.log(`${verdictOf(outcome).padEnd(14)}  ${card.id.padEnd(28)} ${finding.ours}`);
  write();
}

function write(): void {
  const outcomes = cards.flatMap((c) => { const o = known.get(c.id); return o ? [o] : []; });
  // Pictures lie beside as files; the memory holds their names.
  writeFileSync(memory, `${JSON.stringify(outcomes, (key, v: unknown) => (key === "svg" ? undefined : v), 1)}\n`);
  for (const o of outcomes) for (const p of o.pictures ?? []) writeFileSync(drawing(p.id), p.svg);
  writeFileSync(`${values.out}/reproduce.md`, markdown(outcomes));
  writeFileSync(`${values.out}/reproduce.html`, html(outcomes));
}
function summary(outcomes: readonly Outcome[]): string {
  const count = (v: string): number => outcomes.filter((o) => verdictOf(o) === v).length;
  return `${count("reproduced")} of ${outcomes.length} claims reproduced, ${count("not reproduced")} not${count("measured") > 0 ? `, ${count("measured")} measured without a verdict` : ""}.`;
}
function markdown(outcomes: readonly Outcome[]): string {
  const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  return [
    "# The papers' claims, measured again", "",
    "Made by `npm run reproduce`. Nothing is tuned until it fits: what does not reproduce stands here as it came out. Training is on the embedded digits, so the papers' ImageNet numbers",
    "are held against orderings and shapes of curves, not values.", "", summary(outcomes), "",
    "| claim | where | paper | ours | tolerance | |", "| --- | --- | --- | --- | --- | --- |",
    ...outcomes.map((o) => `| ${cell(o.card.claim)} | ${cell(o.card.where)} | ${cell(o.card.paper)} | ${cell(o.ours)} | ${cell(o.card.tolerance)} | **${verdictOf(o)}** |`), "",
    ...outcomes.flatMap((o) => [
      `## ${o.card.id}`, "", `${o.card.claim}. ${o.remark ?? ""}`.trim(), "", `    ${o.command}`, "",
      ...(o.pictures ?? []).flatMap((p) => [`![${p.caption}](reproduce/${p.id}.svg)`, "", p.caption, ""]),
    ]),
  ].join("\n");
}
function html(outcomes: readonly Outcome[]): string {
  const tone = (o: Outcome): string => (o.holds === undefined ? "soft" : o.holds ? "good" : "bad");
  const card = (o: Outcome): string => `<div class="card"><p><strong class="${tone(o)}">${verdictOf(o)}</strong> <span class="soft">${escapeHtml(o.card.where)}</span></p>
<table><tbody><tr><th scope="row">paper</th><td>${escapeHtml(o.card.paper)}</td></tr><tr><th scope="row">ours</th><td>${escapeHtml(o.ours)}</td></tr><tr><th scope="row">tolerance</th><td>${escapeHtml(o.card.tolerance)}</td></tr></tbody></table>
${o.remark ? `<p>${escapeHtml(o.remark)}</p>` : ""}<pre tabindex="0">${escapeHtml(o.command)}</pre>
${(o.pictures ?? []).map((p) => `<figure><div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(p.caption)}">${p.svg}</div><figcaption>${escapeHtml(p.caption)}</figcaption></figure>`).join("\n")}</div>`;
  return renderPage({
    title: "The papers' claims, measured again", lead: `<p>${escapeHtml(summary(outcomes))} Nothing is tuned until it fits: what does not reproduce stands here as it came out.</p>`,
    sections: outcomes.map((o) => ({ id: o.card.id.replaceAll(".", "-"), title: o.card.claim, body: card(o) })), footer: "Made by npm run reproduce.",
  });
}
