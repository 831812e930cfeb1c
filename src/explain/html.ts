/** A network explained on one page: objective, derivation line by line, the layer as an algorithm, sizes and costs, the unrolled graph. */
import { dropStops } from "../calculus/derive.js";
import type { Dim } from "../expression/dim.js";
import { dimValue } from "../expression/dim.js";
import { type Expr, freeIndices } from "../expression/expr.js";
import type { DerivedNetwork } from "../network/derived.js";
import { storedShape } from "../network/weights.js";
import type { NetworkParameter, UnrolledStatement } from "../network/network.js";
import type { TypedNetwork, TypedParam, TypedStatement } from "../semantics/program.js";
import { type ExplainedLine, type ExplainedStep, explainNetwork } from "./derivation.js";
import { escapeHtml, idOf } from "./escape.js";
import { type CostContext, costNumber, expressionCost, showCost } from "./expression-cost.js";
import { type DimName, mathExpr, mathName, mathTerms, mi, mn, mo, mrow } from "./mathml-expr.js";
import { networkGraph } from "./network-graph.js";
import { math, type PageSection, renderFormula, renderPage, renderTable } from "./page.js";
import { sourceOf } from "./sources.js";

/** The outcome of a numeric check of one rule of one step, as `verify` gives it. */
export interface NumericCheck {
  readonly step: string;
  readonly rule: string;
  readonly kind: string;
  readonly error: number;
  readonly ok: boolean;
  readonly note?: string;
}
/** Cost of a place of the tensor graph, as text and as numbers at one sample. */
export interface PlaceCost {
  readonly place: string;
  readonly flops: number;
  readonly bytes: number;
}
export interface ExplainPage {
  readonly network: DerivedNetwork;
  readonly checks: readonly NumericCheck[];
  readonly costs: readonly PlaceCost[];
  /** The file's name, for the page's head. */
  readonly file: string;
  readonly compiler: string;
}

// ---------------------------------------------------------------- derivations
function leftSide(line: ExplainedLine, variable: string): readonly string[] {
  const of = (f: string): string => mrow(f, mo("("), variable, mo(")"));
  const equals = mo("=", " form='infix'");
  switch (line.subject) {
    case "function": return [mrow(of(mi("f")), equals)];
    case "smooth": return [mrow(of(mi("g")), equals)];
    case "nonsmooth": return [mrow(of(mi("h")), equals)];
    case "gradient": return [mrow(mo("∇"), of(mi("f")), equals)];
    case "update": return [mrow(variable, mo(line.relation === "~" ? "≈" : "←", " form='infix'"))];
  }
}
function variableMath(text: string): string {
  const [head = text, index] = text.split("[");
  return mathName(head, index === undefined ? [] : [mathName(index.replace("]", ""))]);
}
function checkText(line: ExplainedLine, kind: string, rule: string, step: string, checks: readonly NumericCheck[]): string {
  const own = checks.filter((c) => c.step === step && c.rule === rule && (kind !== "lemma" || c.kind === "identity" || c.kind === "approximation"));
  if (own.length === 0) return "";
  const worst = Math.max(...own.map((c) => c.error));
  const [first] = own;
  const size = worst === 0 ? "0" : worst.toExponential(1);
  if (first?.kind === "not checked") return `<span class="soft">not checked: ${escapeHtml(first.note ?? "")}</span>`;
  if (first?.kind === "approximation") return `<span class="warn">approximation: relative error ${size} at random points</span>`;
  const verdict = own.every((c) => c.ok) ? '<span class="good">holds</span>' : '<span class="bad">FAILS</span>';
  return `${verdict} by ${escapeHtml(first?.kind ?? "")}: largest relative error ${size}${line.note ? "" : ""}`;
}
function lineHtml(step: ExplainedStep, i: number, checks: readonly NumericCheck[], dim: DimName): string {
  const line = step.lines[i] as ExplainedLine;
  const own = step.derivation.lines[i];
  if (!own) return "";
  const replaced = line.replaced.map((r) => `<div class="small soft">where</div>${renderFormula([
    mrow(mathExpr(r.before, dim), mo(line.relation === "~" ? "≈" : "=", " form='infix'"), mathExpr(r.after, dim)),
    ...(r.when ? [mrow("<mtext>when&nbsp;</mtext>", mathExpr(r.when, dim))] : []),
  ], "what was replaced")}`).join("");
  const source = sourceOf(own, step.derivation);
  const check = checkText(line, own.kind, own.rule, step.name, checks);
  return `<li class="${own.kind}"><div><span class="rule">${escapeHtml(line.rule)}</span>${line.note ? ` <span class="soft small">(${escapeHtml(line.note)})</span>` : ""}</div>
${renderFormula([...leftSide(line, variableMath(step.variable)), ...mathTerms(line.expression, dim)], `${line.rule}: the expression`)}
${replaced}${source ? `<div class="small soft">${escapeHtml(source)}</div>` : ""}${check ? `<div class="small">${check}</div>` : ""}</li>`;
}
function stepHtml(step: ExplainedStep, checks: readonly NumericCheck[], dim: DimName): string {
  const remarks = step.remarks.map((r) => `<p class="small soft">${escapeHtml(r)}</p>`).join("");
  return `<h3 id="${idOf("step", step.name)}">${escapeHtml(step.name)}: ${escapeHtml(step.clause)}</h3>
${step.doc ? `<p>${escapeHtml(step.doc)}</p>` : ""}<ol class="derivation">${step.lines.map((_, i) => lineHtml(step, i, checks, dim)).join("\n")}</ol>${remarks}`;
}

// ---------------------------------------------------------------- objective
interface NamedObjective { readonly name: string; readonly sense: string; readonly value: Expr; readonly layer?: string }
function objectives(network: TypedNetwork): readonly NamedObjective[] {
  const read = (list: readonly TypedStatement[], layer?: string): readonly NamedObjective[] =>
    list.flatMap((s): readonly NamedObjective[] => (s.kind === "objective" ? [{ name: s.name, sense: s.sense, value: s.value, ...(layer === undefined ? {} : { layer }) }] : s.kind === "layer" ? read(s.body, s.name) : []));
  return read(network.statements);
}
function objectiveHtml(network: TypedNetwork, steps: readonly ExplainedStep[]): string {
  const own = objectives(network);
  const shown = own.length > 0 ? own.map((o) => ({ title: `${o.name}${o.layer ? `, of every ${o.layer}` : ""}`, sense: o.sense, value: o.value }))
    : steps.map((s) => ({ title: s.name, sense: s.step.sense, value: s.step.objective }));
  const lets = network.lets.filter((l) => l.kept);
  const consts = network.consts.map((c) => mrow(mathName(c.name), mo("="), mathNumberText(c.value)));
  return shown.map((o) => `<p class="soft">${escapeHtml(o.title)}</p>${renderFormula([`<mtext>${escapeHtml(o.sense)}&nbsp;</mtext>`, ...mathTerms(o.value, network.showDim)], o.title)}`).join("\n")
    + (lets.length + consts.length === 0 ? "" : `<p class="soft">with</p>${renderFormula([...lets.map((l) =>
      mrow(mathName(l.name, l.index === undefined ? [] : [mathName(l.index)]), mo("="), mathExpr(l.value, network.showDim))), ...consts], "constants")}`);
}
const mathNumberText = (x: number): string => (x < 0 ? mrow(mo("−", " form='prefix'"), mn(String(-x))) : mn(String(x)));

// ---------------------------------------------------------------- algorithm
function assignedName(s: UnrolledStatement): string {
  const last = s.target.split(".").at(-1) ?? s.target;
  const tail = s.target.replace(/\.\d+$/, "").split(".").at(-1) ?? last;
  const shown = s.variable ?? (/^\d+$/.test(last) ? tail : last);
  return mathName(shown, s.family ? [mathName(s.family.index)] : []);
}
/** `Z_norm` where later statements call it so. */
function localName(s: UnrolledStatement, group: readonly UnrolledStatement[]): string {
  if (s.variable !== undefined) return assignedName(s);
  for (const other of group) for (const [local, full] of other.names) if (full === s.target && other !== s) return mathName(local, s.family ? [mathName(s.family.index)] : []);
  return assignedName(s);
}
function algorithmHtml(network: DerivedNetwork): string {
  const { unrolled, typed } = network;
  const line = (s: UnrolledStatement, group: readonly UnrolledStatement[]): string =>
    renderFormula([mrow(localName(s, group), mo("←", " form='infix'")), ...mathTerms(dropStops(s.value), typed.showDim)], `${s.path}: the assignment`);
  const group = (statements: readonly UnrolledStatement[]): string => statements.map((s) => line(s, statements)).join("\n");
  const parts = typed.statements.map((t): string => {
    if (t.kind === "objective") return "";
    if (t.kind !== "layer") {
      const own = unrolled.statements.filter((s) => s.path === t.name);
      return group(own);
    }
    const first = unrolled.statements.filter((s) => s.path.startsWith(`${t.name}.1/`));
    const odd = first.length === 0 ? unrolled.statements.filter((s) => s.path.startsWith(`${t.name}.2/`)) : first;
    return `<div><span class="rule">for</span> ${math(mrow(mi("layer"), mo("="), mn("1"), mo(","), mo("…"), mo(","), mn(String(t.repeat))))} <span class="soft">(${escapeHtml(t.name)})</span></div><div class="loop">${group(odd)}</div>`;
  });
  return `<div class="algorithm">${parts.join("\n")}</div>`;
}

// ---------------------------------------------------------------- sizes
const grouped = (n: number): string => n.toLocaleString("en-US");
function formulaOf(p: TypedParam, network: TypedNetwork): { shape: string; count: string } {
  const dims = p.shape.slice(0, p.rank).map((d) => network.showDim(d));
  const index = p.index === undefined ? undefined : network.indices.find((i) => i.name === p.index);
  const members = index ? [network.showDim(index.size)] : [];
  const shape = dims.length === 0 ? "real" : `real[${dims.join(", ")}]`;
  const bare = (f: string): string => (/^[\p{L}\p{N}_]+$/u.test(f) ? f : `(${f})`);
  return { shape: index ? `${shape} × ${members.join("")}` : shape, count: [...members, ...dims].map(bare).join("·") || "1" };
}
function parameterRows(network: DerivedNetwork): { rows: string[][]; learned: number; all: number } {
  const { typed, unrolled } = network;
  const size = (p: NetworkParameter): number => storedShape(p).reduce((a, b) => a * b, 1);
  const byName = new Map(unrolled.parameters.map((p) => [p.name, p]));
  const row = (p: TypedParam, shown: string, copies: readonly (NetworkParameter | undefined)[]): string[][] => {
    const found = copies.filter((c) => c !== undefined);
    const [first] = found;
    if (!first) return [];
    const { shape, count } = formulaOf(p, typed);
    const total = found.reduce((s, c) => s + size(c), 0);
    return [[`<code>${escapeHtml(shown)}</code>`, escapeHtml(shape), escapeHtml(`[${storedShape(first).join(", ")}]`), escapeHtml(found.length > 1 ? `${found.length}·${count}` : count), grouped(total),
      first.trainable ? "learned" : first.captured ? "captured" : "fixed", escapeHtml(first.init.kind)]];
  };
  const rows = [
    ...typed.params.flatMap((p) => row(p, p.name, [byName.get(p.name)])),
    ...typed.statements.flatMap((s) => (s.kind !== "layer" ? [] : s.params.flatMap((p) => row(p, p.shared ? `${s.name}.${p.name}` : `${s.name}.*.${p.name}`,
      p.shared ? [byName.get(`${s.name}.${p.name}`)] : Array.from({ length: s.repeat }, (_, i) => byName.get(`${s.name}.${i + 1}.${p.name}`)))))),
  ];
  const sum = (ps: readonly NetworkParameter[]): number => ps.reduce((s, p) => s + size(p), 0);
  return { rows, learned: sum(unrolled.parameters.filter((p) => p.trainable)), all: sum(unrolled.parameters) };
}
function costRows(page: ExplainPage, steps: readonly ExplainedStep[]): string[][] {
  const { typed, unrolled } = page.network;
  const free = new Map([...unrolled.freeDims, ...(unrolled.batchDim === undefined ? [] : [unrolled.batchDim])].map((d) => [d, 1]));
  const known = (name: string): number => unrolled.dims.get(name) ?? free.get(name) ?? Number.NaN;
  const context: CostContext = { show: (d: Dim) => typed.showDim(d), dims: known, indices: new Map(typed.indices.map((i) => [i.name, i.size])) };
  return steps.map((s) => {
    const update = s.derivation.update;
    const { flops, entries } = expressionCost(update, context);
    const prefix = s.name.split(".");
    const place = page.costs.find((c) => (prefix.length === 2 ? c.place === `${prefix[0]}.1/${prefix[1]}` : c.place === s.name));
    const index = [...freeIndices(update)].length > 0 ? " for each member" : "";
    return [`<code>${escapeHtml(s.name)}</code>`, escapeHtml(showCost(flops)) + index, grouped(costNumber(flops)), place ? grouped(place.flops) : "—",
      escapeHtml(`4·(${showCost(entries)})`), grouped(4 * costNumber(entries)), place ? grouped(place.bytes) : "—"];
  });
}

// ---------------------------------------------------------------- page
function sizesLine(network: DerivedNetwork): string {
  const { typed } = network;
  const dims = typed.dims.map((d) => `${d.name} = ${d.value ?? (d.definition ? (dimValue(d.definition) ?? typed.showDim(d.definition)) : d.batch ? "the batch" : "open")}`);
  const indices = typed.indices.map((i) => `${i.name} in 1…${i.count}`);
  return [...dims, ...indices].join(", ");
}
export function explainHtml(page: ExplainPage): string {
  const { typed, derivations, unrolled } = page.network;
  const steps = explainNetwork(typed, derivations);
  const { rows, learned, all } = parameterRows(page.network);
  const failed = page.checks.filter((c) => !c.ok).length;
  const verdict = page.checks.length === 0 ? "" : failed === 0
    ? `<p class="good">All ${page.checks.length} numeric checks hold.</p>` : `<p class="bad">${failed} of ${page.checks.length} numeric checks fail.</p>`;
  const openSizes = unrolled.freeDims.length === 0 ? "" : ` Open sizes (${unrolled.freeDims.join(", ")}) count as 1.`;
  const sections: PageSection[] = [
    { id: "objective", title: "Objective", body: objectiveHtml(typed, steps) },
    { id: "derivation", title: "Derivation", body: verdict + steps.map((s) => stepHtml(s, page.checks, typed.showDim)).join("\n") },
    { id: "algorithm", title: "The network as an algorithm", body: algorithmHtml(page.network) },
    { id: "parameters", title: "Parameters", body: `<p>${grouped(learned)} learned, ${grouped(all)} in all. <code>*</code> stands for each copy of a layer.</p>${
      renderTable(["parameter", "declared", "stored", "how many", "number", "", "starts as"], rows, { numeric: [4], label: "Parameters" })}` },
    { id: "cost", title: "Cost of a step", body: `<p>For one sample${escapeHtml(openSizes)}. The formula counts the update as derived, products bracketed the cheapest way, a multiplication and an addition one each; the graph's numbers are those of what is emitted, normalisation and all.</p>${
      renderTable(["step", "FLOPs", "at these sizes", "of the graph", "bytes computed", "at these sizes", "bytes moved by the graph"], costRows(page, steps), { numeric: [2, 3, 5, 6], label: "Cost of each step" })}` },
    { id: "graph", title: "The unrolled network", body: `<figure><div class="scroll" tabindex="0" role="region" aria-label="The unrolled network">${networkGraph(unrolled)}</div><figcaption>Every value in the order in which it is computed; a row for each copy of a layer.</figcaption></figure>` },
  ];
  const lead = `${typed.doc ? `<p>${escapeHtml(typed.doc)}</p>` : ""}<p class="soft small">${escapeHtml(sizesLine(page.network))}${typed.preset ? ` (preset ${escapeHtml(typed.preset)})` : ""}</p>`;
  return renderPage({ title: typed.name, lead, sections, footer: `From ${page.file} by crate-compile ${page.compiler}. Every formula is derived from the spec; nothing was typeset by hand.` });
}
