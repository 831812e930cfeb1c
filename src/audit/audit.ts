/**
 * Does each step do what it claims, on these tokens and weights? The exact step, the step after each lemma, and the step
 * as built are taken from the same point, and the objective is measured after each (language, section 12).
 */
import { type DerivationLine, dropStops } from "../calculus/derive.js";
import { contains, type Expr, freeIndices, isZero, termsOf } from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";
import { showExpr } from "../expression/print.js";
import type { DerivedNetwork } from "../network/derived.js";
import type { UnrolledNetwork } from "../network/network.js";
import { frobenius, subtractValues, toNumber, type Value } from "../numeric/matrix.js";
import type { TensorMap } from "../runtime/contract.js";
import { gini, measuredRate, nonZeroShare, ratedTokens } from "./measures.js";
import { type Objective, type Occurrence, occurrences } from "./occurrences.js";
import { type NetworkRun, runNetwork } from "./run-network.js";
import { frozen } from "./verify.js";

/** An expression before and after a stage, means over the samples. Indicator functions are left out; see `feasible`. */
export interface Change {
  readonly before: number;
  readonly after: number;
  readonly change: number;
  /** Share of the samples on which it went the way that is claimed. */
  readonly improved: number;
  /** Where the expression has indicator functions: are they zero after? */
  readonly feasible?: boolean;
}
export interface Condition {
  readonly text: string;
  readonly held: boolean;
  /** Share of places (samples, members) at which it held. */
  readonly share: number;
  /** Both sides where it is a comparison: extremes of the left one, and the bound. */
  readonly least?: number;
  readonly largest?: number;
  readonly bound?: number;
}
export interface LemmaMeasure {
  readonly relation: "approximation" | "identity";
  /** ‖exact − approximate‖ / ‖exact‖ of what the lemma replaced. */
  readonly error: number;
  /** The same of the increment of the whole update. */
  readonly updateError: number;
  readonly when?: Condition;
}
export interface Stage {
  readonly kind: "exact" | "capture" | "lemma" | "built";
  /** `exact`, the capture's or lemma's name, `built`. */
  readonly name: string;
  /** The step's own objective. */
  readonly own: Change;
  /** What the step minimises in its objective's place. */
  readonly surrogate?: Change;
  readonly objectives: Readonly<Record<string, Change>>;
  readonly lemma?: LemmaMeasure;
}
export interface Term {
  readonly text: string;
  readonly before: number;
  readonly after: number;
}
export interface Rate {
  /** Whose rate: `U[k]'*Z`. */
  readonly of: string;
  readonly mean: number;
  /** Over the samples, unbiased. */
  readonly std: number;
  /** By sample, then member of the family. */
  readonly bySample: readonly (readonly number[])[];
}
export interface StepAudit {
  readonly place: string;
  readonly layer?: string;
  readonly copy?: number;
  readonly step: string;
  readonly sense: "minimize" | "maximize";
  readonly objective: string;
  readonly surrogate?: string;
  readonly stages: readonly Stage[];
  /** Where an improvement turned into its opposite, stage by stage: the names. */
  readonly turns: readonly string[];
  /** Lemmas whose condition failed somewhere. */
  readonly outside: readonly string[];
  /** The exact step improves, the built one does not: the last turn is why. */
  readonly blamed?: string;
  readonly terms: Readonly<Record<string, readonly Term[]>>;
  readonly density: { readonly before: number; readonly after: number; readonly gini: number; readonly bySample: readonly number[] };
  readonly rates: readonly Rate[];
}
export interface Audit {
  readonly network: string;
  readonly samples: number;
  readonly steps: readonly StepAudit[];
}
export interface AuditOptions {
  readonly weights: TensorMap;
  readonly batch: TensorMap;
  /** How many samples of the batch; with a batch axis of the network's own the batch is one. */
  readonly samples: number;
  /** Captures are computed on the way and not read from the weights. */
  readonly construct?: boolean;
  /** Asked for before each sample; for progress. */
  readonly observer?: (sample: number) => void;
}

type Members = readonly Value[];
const indicators: ReadonlySet<FunctionName> = new Set(["nonnegative", "box", "ball", "sphere", "simplex", "orthonormal"]);
const hasIndicator = (e: Expr): boolean => contains(e, (x) => x.kind === "apply" && indicators.has(x.fn));

/** What one sample says of one stage, before the samples are put together. */
interface SampleChange { readonly before: number; readonly after: number; readonly feasible?: boolean }
interface SampleCondition { readonly text: string; readonly held: number; readonly places: number; readonly lefts: readonly number[]; readonly bound?: number }
interface SampleStage {
  readonly kind: Stage["kind"];
  readonly name: string;
  readonly own: SampleChange;
  readonly surrogate?: SampleChange;
  readonly objectives: Readonly<Record<string, SampleChange>>;
  readonly lemma?: { readonly relation: LemmaMeasure["relation"]; readonly error: number; readonly updateError: number; readonly when?: SampleCondition };
}
interface SampleStep {
  readonly stages: readonly SampleStage[];
  readonly terms: Readonly<Record<string, readonly Term[]>>;
  readonly densityBefore: number;
  readonly densityAfter: number;
  readonly gini: number;
  readonly rates: readonly { readonly of: string; readonly members: readonly number[] }[];
}

/** One step on one sample: all that is evaluated in its place. */
class StepOnSample {
  private readonly sizes: ReadonlyMap<string, number>;
  /** The network's variable where the step is taken, F applied. */
  private readonly at: ReadonlyMap<string, Members>;
  private readonly start: Members;

  constructor(private readonly o: Occurrence, private readonly run: NetworkRun, network: UnrolledNetwork) {
    this.sizes = indexSizes(o, network);
    const point = this.value(o.start);
    const { over } = o.step;
    this.at = new Map([[o.step.variable, point]]);
    this.start = over ? this.evaluateAll(isZero(over.from) ? over.from : o.spread(over.from), over.index, this.at) : point;
  }
  private value(name: string): Members {
    return this.run.values.get(name) ?? [];
  }
  private with(optimised: Members): ReadonlyMap<string, Members> {
    return new Map([...this.at, [this.o.derivation.variable.name, optimised]]);
  }
  /** For each value of the index where there is one. */
  private evaluateAll(e: Expr, index: string | undefined, at: ReadonlyMap<string, Members>): Members {
    const count = index === undefined ? 1 : (this.sizes.get(index) ?? 1);
    return Array.from({ length: count }, (_, i) =>
      this.run.evaluateAt(e, this.o.statement, at, index === undefined ? undefined : new Map([[index, i + 1]])));
  }
  /** An expression with free indices at all their values. */
  private evaluateFree(e: Expr, names: readonly string[], at: ReadonlyMap<string, Members>): Members {
    const places = names.reduce<readonly ReadonlyMap<string, number>[]>((all, name) =>
      all.flatMap((m) => Array.from({ length: this.sizes.get(name) ?? 1 }, (_, i) => new Map([...m, [name, i + 1]]))), [new Map()]);
    return places.map((indices) => this.run.evaluateAt(e, this.o.statement, at, indices));
  }

  /** The optimised variable after the step's iterations of an update, without momentum. */
  private apply(update: Expr): Members {
    const e = this.o.spread(update);
    let now = this.start;
    for (let i = 0; i < this.o.step.method.iterations; i++) now = this.evaluateAll(e, this.o.derivation.variable.index, this.with(now));
    return now;
  }
  /** What the network's variable becomes of it. */
  private finished(optimised: Members): Members {
    const { then, variable } = this.o.step;
    return then ? this.evaluateAll(this.o.spread(dropStops(then)), this.indexOf(variable), this.with(optimised)) : optimised;
  }
  private indexOf(variable: string): string | undefined {
    return variable === this.o.derivation.variable.name ? this.o.derivation.variable.index : this.o.statement.family?.index;
  }

  /** The value of f at some point; what stands in `stop` keeps its value at the step's start. */
  private measure(f: Expr, at: ReadonlyMap<string, Members>): number {
    const { expression, held } = frozen(this.o.spread(f));
    const values = [...held].map(([name, e]) => {
      const [index] = freeIndices(e);
      return [name, this.evaluateAll(e, index, this.with(this.start))] as const;
    });
    return toNumber(this.run.evaluateAt(expression, this.o.statement, new Map([...at, ...values])));
  }
  private changeOf(f: Expr, from: ReadonlyMap<string, Members>, to: ReadonlyMap<string, Members>): SampleChange {
    const smooth = termsOf(f).filter((t) => !hasIndicator(t));
    const walls = termsOf(f).filter(hasIndicator);
    const sum = (at: ReadonlyMap<string, Members>): number => smooth.reduce((s, t) => s + this.measure(t, at), 0);
    const change = { before: sum(from), after: sum(to) };
    return walls.length === 0 ? change : { ...change, feasible: walls.every((t) => Math.abs(this.measure(t, to)) < Number.POSITIVE_INFINITY) };
  }
  private objectivesAt(from: Members, to: Members): Readonly<Record<string, SampleChange>> {
    const { variable } = this.o.step;
    const at = (v: Members): ReadonlyMap<string, Members> => new Map([[variable, v]]);
    return Object.fromEntries(this.o.objectives.map((f) => [f.name, this.changeOf(f.value, at(from), at(to))]));
  }
  private stage(kind: Stage["kind"], name: string, optimised: Members, lemma?: SampleStage["lemma"]): SampleStage {
    const { step } = this.o;
    const [from, to] = [this.with(this.start), this.with(optimised)];
    const start = this.at.get(step.variable) ?? [];
    return {
      kind, name, own: this.changeOf(step.objective, from, to),
      ...(step.surrogate ? { surrogate: this.changeOf(step.surrogate, from, to) } : {}),
      objectives: this.o.objectives.length === 0 ? {} : this.objectivesAt(start, this.finished(optimised)),
      ...(lemma ? { lemma } : {}),
    };
  }
  /** The network as built: from the variable as it came in, through normalisation, momentum and `then`. */
  private built(): SampleStage {
    const { step } = this.o;
    const [before, after, optimised] = [this.value(this.o.before), this.value(this.o.statement.target), this.value(this.o.optimised)];
    const inner = step.over !== undefined;
    const from: ReadonlyMap<string, Members> = inner ? this.with(this.start) : new Map([[step.variable, before]]);
    const to: ReadonlyMap<string, Members> = inner ? this.with(optimised) : new Map([[step.variable, optimised]]);
    return {
      kind: "built", name: "built", own: this.changeOf(step.objective, from, to),
      ...(step.surrogate ? { surrogate: this.changeOf(step.surrogate, from, to) } : {}),
      objectives: this.objectivesAt(before, after),
    };
  }

  private lemmaOf(line: DerivationLine, previous: Members, next: Members): SampleStage["lemma"] {
    const at = this.with(this.start);
    const spread = (e: Expr): Expr => this.o.spread(dropStops(e));
    let error = 0;
    let when: SampleCondition | undefined;
    for (const a of line.applications) {
      const names = [...new Set([...freeIndices(a.before), ...freeIndices(a.after), ...(a.when ? freeIndices(a.when) : [])])];
      const [before, after] = [this.evaluateFree(spread(a.before), names, at), this.evaluateFree(spread(a.after), names, at)];
      error = Math.max(error, relative(after, before));
      if (a.when) when = joinConditions(when, this.condition(spread(a.when), names, at));
    }
    const increment = next.map((v, i) => subtractValues(v, this.start[i] as Value));
    const exact = previous.map((v, i) => subtractValues(v, this.start[i] as Value));
    return { relation: line.relation ?? "identity", error, updateError: relative(increment, exact), ...(when ? { when } : {}) };
  }
  private condition(when: Expr, names: readonly string[], at: ReadonlyMap<string, Members>): SampleCondition {
    const verdicts = this.evaluateFree(when, names, at).map(toNumber);
    const comparison = when.kind === "apply" && ["less", "less_equal", "greater", "greater_equal"].includes(when.fn) ? when.args : [];
    const [left, right] = comparison;
    const base = { text: showExpr(when), held: verdicts.filter((v) => v !== 0).length, places: verdicts.length };
    if (!left || !right) return { ...base, lefts: [] };
    const bound = this.evaluateFree(right, names, at).map(toNumber)[0];
    return { ...base, lefts: this.evaluateFree(left, names, at).map(toNumber), ...(bound === undefined ? {} : { bound }) };
  }

  private termsAt(): Readonly<Record<string, readonly Term[]>> {
    const { step } = this.o;
    const at = (name: string): ReadonlyMap<string, Members> => new Map([[step.variable, this.value(name)]]);
    return Object.fromEntries(this.o.objectives.map((f: Objective) => [f.name, termsOf(f.value).map((t) => ({
      text: showExpr(t), before: this.measure(t, at(this.o.before)), after: this.measure(t, at(this.o.statement.target)),
    }))]));
  }
  private rates(): SampleStep["rates"] {
    const shape = this.value(this.o.before)[0]?.shape;
    const axis = this.o.derivation.variable.shape[1]?.key;
    if (!shape || axis === undefined) return [];
    const spread = this.o.spread(this.o.step.objective);
    return ratedTokens(spread, axis).map((tokens) => ({
      of: showExpr(tokens),
      members: this.evaluateFree(dropStops(tokens), [...freeIndices(tokens)], this.with(this.start)).map((v) => measuredRate(v)),
    }));
  }

  report(): SampleStep {
    const stages: SampleStage[] = [];
    let previous: Members = [];
    for (const line of this.o.derivation.lines) {
      if (line.kind !== "update" && line.kind !== "capture" && line.kind !== "lemma") continue;
      const next = this.apply(line.expression);
      const lemma = line.kind === "lemma" ? this.lemmaOf(line, previous, next) : undefined;
      stages.push(this.stage(line.kind === "update" ? "exact" : line.kind, line.kind === "update" ? "exact" : line.rule, next, lemma));
      previous = next;
    }
    stages.push(this.built());
    const after = this.value(this.o.statement.target);
    return {
      stages, terms: this.termsAt(), densityBefore: nonZeroShare(this.value(this.o.before)), densityAfter: nonZeroShare(after),
      gini: gini(after), rates: this.rates(),
    };
  }
}

/** ‖a − b‖ / ‖b‖ over all members together. */
function relative(a: Members, b: Members): number {
  const norm = (list: Members): number => Math.sqrt(list.reduce((s, v) => s + frobenius(v) ** 2, 0));
  const size = norm(b);
  const gap = norm(a.map((v, i) => subtractValues(v, b[i] as Value)));
  return size === 0 ? gap : gap / size;
}
function joinConditions(a: SampleCondition | undefined, b: SampleCondition): SampleCondition {
  return a ? { ...b, held: a.held + b.held, places: a.places + b.places, lefts: [...a.lefts, ...b.lefts] } : b;
}
/** Sizes of the indices that lemmas and sums of the derivation bring with them. */
function indexSizes(o: Occurrence, network: UnrolledNetwork): ReadonlyMap<string, number> {
  const sizes = new Map(network.indices);
  const note = (name: string, key: string): void => {
    const size = Number(key);
    const known = Number.isFinite(size) ? size : network.dims.get(key);
    if (known !== undefined && !sizes.has(name)) sizes.set(name, known);
  };
  for (const a of o.derivation.lines.flatMap((l) => l.applications)) for (const [name, size] of a.around) note(name, size.key);
  const expressions = o.derivation.lines.flatMap((l) => [l.expression, ...l.applications.flatMap((a) => [a.before, a.after])]);
  for (const e of expressions) contains(e, (x) => {
    if (x.kind === "indexSum") note(x.index, x.size.key);
    if (x.kind === "apply" && x.family) note(x.family.index, x.family.size.key);
    return false;
  });
  return sizes;
}

// ---------------------------------------------------------------- samples together
const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;
/** A change smaller than rounding is none. */
const improves = (before: number, after: number, sense: "minimize" | "maximize"): boolean =>
  (sense === "minimize" ? before - after : after - before) > 1e-12 * Math.max(1, Math.abs(before));

function joinChanges(parts: readonly SampleChange[], sense: "minimize" | "maximize"): Change {
  const [before, after] = [mean(parts.map((p) => p.before)), mean(parts.map((p) => p.after))];
  const share = parts.filter((p) => improves(p.before, p.after, sense)).length / parts.length;
  const base = { before, after, change: after - before, improved: share };
  return parts.some((p) => p.feasible !== undefined) ? { ...base, feasible: parts.every((p) => p.feasible !== false) } : base;
}
function joinWhen(parts: readonly SampleCondition[]): Condition | undefined {
  const [first] = parts;
  if (!first) return undefined;
  const [held, places] = [parts.reduce((s, p) => s + p.held, 0), parts.reduce((s, p) => s + p.places, 0)];
  const lefts = parts.flatMap((p) => p.lefts);
  const base = { text: first.text, held: held === places, share: held / places };
  if (lefts.length === 0 || first.bound === undefined) return base;
  return { ...base, least: Math.min(...lefts), largest: Math.max(...lefts), bound: first.bound };
}
function joinStages(parts: readonly SampleStage[], o: Occurrence): Stage {
  const first = parts[0] as SampleStage;
  const objectives = Object.fromEntries(o.objectives.map((f) => [f.name,
    joinChanges(parts.map((p) => p.objectives[f.name]).filter((c) => c !== undefined), f.sense)]));
  const surrogates = parts.map((p) => p.surrogate).filter((c) => c !== undefined);
  const lemmas = parts.map((p) => p.lemma).filter((l) => l !== undefined);
  const when = joinWhen(lemmas.map((l) => l.when).filter((w) => w !== undefined));
  return {
    kind: first.kind, name: first.name, own: joinChanges(parts.map((p) => p.own), o.step.sense),
    ...(surrogates.length > 0 ? { surrogate: joinChanges(surrogates, "minimize") } : {}),
    objectives: Object.values(first.objectives).length > 0 ? objectives : {},
    ...(first.lemma ? { lemma: {
      relation: first.lemma.relation, error: mean(lemmas.map((l) => l.error)), updateError: mean(lemmas.map((l) => l.updateError)), ...(when ? { when } : {}),
    } } : {}),
  };
}
/** The stages at which an improvement ended, and what is to blame where the built step does not improve. */
export function verdict(stages: readonly Stage[], sense: "minimize" | "maximize"): Pick<StepAudit, "turns" | "outside" | "blamed"> {
  const good = stages.map((s) => improves(s.own.before, s.own.after, sense));
  const turns = stages.flatMap((s, i) => (i > 0 && good[i - 1] && !good[i] ? [s.name] : []));
  const outside = stages.flatMap((s) => (s.lemma?.when && !s.lemma.when.held ? [s.name] : []));
  const last = turns.at(-1);
  return { turns, outside, ...(good[0] && !good.at(-1) && last !== undefined ? { blamed: last } : {}) };
}
function joinRates(parts: readonly SampleStep[]): readonly Rate[] {
  return (parts[0]?.rates ?? []).map((r, i) => {
    const bySample = parts.map((p) => p.rates[i]?.members ?? []);
    const totals = bySample.map((members) => members.reduce((a, b) => a + b, 0));
    const center = mean(totals);
    const std = totals.length < 2 ? 0 : Math.sqrt(totals.reduce((s, t) => s + (t - center) ** 2, 0) / (totals.length - 1));
    return { of: r.of, mean: center, std, bySample };
  });
}
function joinSteps(parts: readonly SampleStep[], o: Occurrence): StepAudit {
  const first = parts[0] as SampleStep;
  const stages = first.stages.map((_, i) => joinStages(parts.map((p) => p.stages[i] as SampleStage), o));
  const terms = Object.fromEntries(Object.entries(first.terms).map(([name, list]) => [name, list.map((t, i): Term => ({
    text: t.text,
    before: mean(parts.map((p) => p.terms[name]?.[i]?.before ?? Number.NaN)), after: mean(parts.map((p) => p.terms[name]?.[i]?.after ?? Number.NaN)),
  }))]));
  return {
    place: o.place, ...(o.layer === undefined ? {} : { layer: o.layer }), ...(o.copy === undefined ? {} : { copy: o.copy }),
    step: o.step.name, sense: o.step.sense, objective: showExpr(o.step.objective),
    ...(o.step.surrogate ? { surrogate: showExpr(o.step.surrogate) } : {}),
    stages, ...verdict(stages, o.step.sense), terms,
    density: {
      before: mean(parts.map((p) => p.densityBefore)), after: mean(parts.map((p) => p.densityAfter)),
      gini: mean(parts.map((p) => p.gini)), bySample: parts.map((p) => p.densityAfter),
    },
    rates: joinRates(parts),
  };
}

/** Audits every step of the network on a batch in wire format. Throws where a name has no value (weights or data are missing). */
export function auditNetwork(subject: DerivedNetwork, options: AuditOptions): Audit {
  const places = occurrences(subject.typed, subject.unrolled, subject.derivations);
  const whole = subject.unrolled.batchDim !== undefined;
  const count = whole ? 1 : options.samples;
  const bySample = Array.from({ length: count }, (_, sample) => {
    options.observer?.(sample);
    const run = runNetwork(subject.unrolled, options.weights, options.batch, sample, options.construct ?? false);
    return places.map((o) => new StepOnSample(o, run, subject.unrolled).report());
  });
  return {
    network: subject.unrolled.name, samples: options.samples,
    steps: places.map((o, i) => joinSteps(bySample.map((steps) => steps[i] as SampleStep), o)),
  };
}
