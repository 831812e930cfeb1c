/** An audit as one page: what was found, the figures, and every number. */
import { escapeHtml } from "../explain/escape.js";
import { type PageSection, renderPage, renderTable } from "../explain/page.js";
import type { StepAudit } from "./audit.js";
import { conditionText, figure, groupedFindings, signed, stageLabel } from "./audit-text.js";
import type { AuditedWeights, Figure } from "./figures.js";

export interface ReportPage {
  readonly network: string;
  readonly file: string;
  readonly data: string;
  readonly samples: number;
  readonly runs: readonly AuditedWeights[];
  readonly figures: readonly Figure[];
  readonly compiler: string;
}
function findingsHtml(run: AuditedWeights): string {
  const found = groupedFindings(run.audit).map((f) => `<li><code>${escapeHtml(f.place)}</code>: ${escapeHtml(f.text)}</li>`);
  return `<h3>${escapeHtml(run.name)}</h3>${found.length === 0 ? '<p class="good">No lemma turned a step around, and every condition held.</p>' : `<ul>${found.join("\n")}</ul>`}`;
}
function stepTable(step: StepAudit): string {
  const objectives = Object.keys(step.stages[0]?.objectives ?? {});
  const good = (change: number): string => ((step.sense === "minimize" ? change < 0 : change > 0) ? "good" : "bad");
  const rows = step.stages.map((s) => [
    escapeHtml(stageLabel(s)),
    `<span class="${good(s.own.change)}">${escapeHtml(signed(s.own.change))}</span>`,
    ...objectives.map((o) => escapeHtml(signed(s.objectives[o]?.change ?? Number.NaN))),
    s.lemma ? escapeHtml(figure(s.lemma.error)) : "",
    [...(s.lemma?.when ? [escapeHtml(conditionText(s.lemma.when))] : []), ...(step.turns.includes(s.name) ? ['<strong class="bad">improvement turns into its opposite here</strong>'] : [])].join("<br>"),
  ]);
  const head = ["", `${step.sense} its own`, ...objectives.map(escapeHtml), "lemma's error", ""];
  return `<h4>${escapeHtml(step.place)}</h4><p class="small soft">${escapeHtml(step.sense)} <code>${escapeHtml(step.objective.slice(0, 300))}</code>; non-zeros ${escapeHtml(figure(step.density.before))} → ${escapeHtml(figure(step.density.after))}${
    step.rates.map((r) => `; coding rate of ${escapeHtml(r.of)} ${escapeHtml(figure(r.mean))}`).join("")}</p>${renderTable(head, rows, { label: step.place, numeric: [1, ...objectives.map((_, i) => i + 2), objectives.length + 2] })}`;
}
export function reportHtml(page: ReportPage): string {
  const figureHtml = (f: Figure): string => `<figure id="figure-${f.id}"><div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(f.title)}">${f.svg}</div><figcaption><strong>${escapeHtml(f.title)}.</strong> ${escapeHtml(f.caption)}</figcaption></figure>`;
  const sections: PageSection[] = [
    { id: "findings", title: "What was found", body: page.runs.map(findingsHtml).join("\n") },
    { id: "figures", title: "Figures", body: `<div class="grid">${page.figures.map(figureHtml).join("\n")}</div>` },
    { id: "numbers", title: "Every step", body: page.runs.map((run) => `<h3>${escapeHtml(run.name)}</h3><p class="soft small">The exact step and the step after each lemma are taken from the point where the network takes it; “as built” is from the variable as it came in, normalisation and learned values included.</p>${run.audit.steps.map(stepTable).join("\n")}`).join("\n") },
  ];
  return renderPage({
    title: `Audit of ${page.network}`, sections,
    lead: `<p class="soft">${escapeHtml(`${page.file}, ${page.data}, ${page.samples} ${page.samples === 1 ? "sample" : "samples"}; weights: ${page.runs.map((r) => r.name).join(", ")}`)}</p>`,
    footer: `From ${page.file} by crate-compile ${page.compiler}. Everything was computed in float64.`,
  });
}
