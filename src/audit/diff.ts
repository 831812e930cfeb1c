/** Are two specs one network? The same, the same up to lemmas that one of them uses, or different: by which term, and at which numbers. */
import type { Derivation } from "../calculus/derive.js";
import { dropStops } from "../calculus/derive.js";
import { equalExpanded, expand } from "../calculus/expand.js";
import { type Expr, identity, multiply, number, ones, renameFreeIndex, sameShape, substitute, subtract, symbolsOf, TooLarge, zero } from "../expression/expr.js";
import { dimEquals, dimSymbol } from "../expression/dim.js";
import { showExpr } from "../expression/print.js";
import type { DerivedNetwork } from "../network/derived.js";
import { spreadLets } from "../network/lets.js";
import type { Environment } from "../numeric/evaluate.js";
import { relativeError } from "../numeric/matrix.js";
import { storedShape } from "../network/weights.js";
import type { TypedInit, TypedLayer, TypedLet, TypedNetwork, TypedParam, TypedStatement, TypedStep } from "../semantics/program.js";
import { type Correspondence, correspond, type Paired, type Parameter, pairBy } from "./correspondence.js";
import { inputDifferences, parameterDifferences, sizeDifferences } from "./diff-declarations.js";
import { firstEvidence } from "./identities.js";
import { environmentsOf } from "./test-points.js";
import { type Names, sameNames, translate } from "./translate.js";

export interface Counterexample {
  /** `d=3, n=2`. */
  readonly sizes: string;
  /** Largest difference, relative to the larger. */
  readonly difference: number;
  /** The entry where they differ most, row and column from 1, and both values there. */
  readonly entry: readonly [number, number];
  readonly a: number;
  readonly b: number;
}
export interface Difference {
  readonly place: string;
  /** What is compared: `update`, `prenorm`, `then`, `value`, … */
  readonly part: string;
  readonly a: string;
  readonly b: string;
  /** The update's difference, multiplied out, in the first network's names. */
  readonly term?: string;
  readonly counterexample?: Counterexample;
}
export interface LemmaGap {
  readonly place: string;
  /** Lemmas that one network applies after the point where both still agree. */
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
  readonly agreed: string;
}
export interface DiffReport {
  readonly verdict: "same" | "same up to lemmas" | "different";
  readonly lemmas: readonly LemmaGap[];
  readonly differences: readonly Difference[];
  /** Equal at random points though their normal forms differ. */
  readonly numerically: readonly string[];
  /** Names of the second network and what they are called in the first. */
  readonly names: Readonly<Record<string, string>>;
}

// ---------------------------------------------------------------- what is compared
interface Item {
  readonly place: string;
  readonly kind: Exclude<TypedStatement["kind"], "objective" | "layer">;
  readonly name: string;
  readonly layer?: TypedLayer;
  readonly statement: Exclude<TypedStatement, TypedLayer>;
}
/** Where an expression stands: in a statement, or as a parameter's value. */
type Place = Pick<Item, "place" | "layer"> & Partial<Pick<Item, "statement">>;
function itemsOf(network: TypedNetwork): readonly Item[] {
  const read = (list: readonly TypedStatement[], layer?: TypedLayer): readonly Item[] => list.flatMap((s): readonly Item[] => {
    if (s.kind === "objective") return [];
    if (s.kind === "layer") return read(s.body, s);
    return [{ place: layer ? `${layer.name}.${s.name}` : s.name, kind: s.kind, name: s.name, ...(layer ? { layer } : {}), statement: s }];
  });
  return read(network.statements);
}
/** By place; what stands at a place that the other network does not have, in order among those of one kind. */
function pairItems(a: readonly Item[], b: readonly Item[]): Paired<Item> {
  const [inA, inB] = [a, b].map((list) => new Set(list.map((x) => x.place))) as [Set<string>, Set<string>];
  const place = (x: Item): string => `${x.kind} ${x.place}`;
  const elsewhere = (there: ReadonlySet<string>, side: string) => (x: Item): string => (there.has(x.place) ? `${side} ${place(x)}` : x.kind);
  return pairBy(a, b, [[place, place], [elsewhere(inB, "a"), elsewhere(inA, "b")]]);
}

// ---------------------------------------------------------------- comparing
/** An expression as written, and with constants and lets put in. */
interface Told { readonly named: Expr; readonly valued: Expr }
function teller(network: TypedNetwork, namesOf: Correspondence["namesA"]): (e: Expr, layer: TypedLayer | undefined, inner?: readonly [string, string]) => Told {
  const lets = new Map(network.lets.filter((l) => l.kept).map((l) => [l.name, l]));
  const consts = new Map(network.consts.map((c) => [c.name, c.value]));
  // A size that the spec has a name for goes by it, whether it was solved from the shapes or left open.
  const own: Names = { ...sameNames, fold: (d) => { const name = network.showDim(d); return network.dims.some((x) => x.name === name) ? dimSymbol(name) : d; } };
  const opened = (lists: readonly (readonly [string, TypedLet])[]): ReadonlyMap<string, TypedLet> => new Map(lists.map(([k, l]) => [k, { ...l, value: translate(l.value, own) }]));
  return (e, layer, inner) => {
    const local = opened((layer?.lets ?? []).filter((l) => l.kept).map((l) => [l.name, l]));
    const spread = spreadLets(translate(dropStops(e), own), local);
    const valued = substitute(spreadLets(spread, opened([...lets])), (s) => {
      const c = s.role === "const" ? consts.get(s.name) : undefined;
      return c === undefined ? undefined : number(c);
    });
    const scope = namesOf(layer);
    const names = inner ? { ...scope, values: new Map([...scope.values, inner]) } : scope;
    return { named: translate(spread, names), valued: translate(valued, names) };
  };
}
type Comparison = { readonly equal: true; readonly numerically: boolean } | { readonly equal: false; readonly counterexample?: Counterexample };

/** Both values at a point; sizes that fit each other in one network only have no point in common: there the two are not comparable. */
function valuesOf(a: Expr, b: Expr, network: TypedNetwork, seed: number): ReturnType<typeof firstEvidence<Environment>> {
  const free = new Map(network.indices.map((i) => [i.name, 1]));
  try {
    return firstEvidence(a, b, environmentsOf(network, [a, b], seed, free));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
/** What is called the same has one shape in both; else no value could be drawn for it. */
function fitEachOther(a: Expr, b: Expr): boolean {
  const shapes = new Map(symbolsOf(a).map((s) => [s.name, s.shape]));
  return symbolsOf(b).every((s) => { const shape = shapes.get(s.name); return shape === undefined || sameShape(shape, s.shape); });
}
function compare(a: Expr, b: Expr, network: TypedNetwork): Comparison {
  if (equalExpanded(a, b)) return { equal: true, numerically: false };
  if (!sameShape(a.shape, b.shape) || !fitEachOther(a, b)) return { equal: false };
  let worst: Counterexample | undefined;
  let tried = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const found = valuesOf(a, b, network, seed * 7907);
    if (!found) continue;
    const { x, y, point: environment } = found;
    const difference = relativeError(x, y);
    if (Number.isNaN(difference)) continue;
    tried += 1;
    if (difference <= (worst?.difference ?? 1e-7)) continue;
    const gaps = [...x.data].map((v, i) => Math.abs(v - (y.data[i] ?? Number.NaN)));
    const where = gaps.indexOf(Math.max(...gaps));
    const width = x.shape[1] ?? 1;
    const sizes = network.dims.flatMap((d) => { try { return [`${d.name}=${environment.dims(d.name)}`]; } catch { return []; } });
    worst = { sizes: sizes.join(", "), difference, entry: [Math.floor(where / width) + 1, (where % width) + 1], a: x.data[where] ?? Number.NaN, b: y.data[where] ?? Number.NaN };
  }
  if (tried > 0 && !worst) return { equal: true, numerically: true };
  return { equal: false, ...(worst ? { counterexample: worst } : {}) };
}
function differenceTerm(a: Expr, b: Expr): string | undefined {
  if (!sameShape(a.shape, b.shape)) return undefined;
  try {
    return showExpr(expand(subtract(a, b)), 400);
  } catch (error) {
    if (error instanceof TooLarge) return undefined;
    throw error;
  }
}

const isFixed = ({ built }: Parameter): boolean => !built.trainable && !built.captured;
/** The value of a parameter that is drawn neither by chance nor from a file. */
function startingExpression({ init, shape }: TypedParam): Expr | undefined {
  switch (init.kind) {
    case "zeros": return zero(shape);
    case "ones": return ones(shape);
    case "constant": return multiply(number(init.value), ones(shape));
    // One that is not square has no name among expressions.
    case "identity": return shape[0] && shape[1] && dimEquals(shape[0], shape[1]) ? multiply(number(init.value), identity(shape[0])) : undefined;
    case "from": return init.value;
    default: return undefined;
  }
}
function tellInit(init: TypedInit): string {
  if (init.kind === "from") return `from(${showExpr(init.value)})`;
  const [, ...options] = Object.entries(init);
  return options.length === 0 ? init.kind : `${init.kind}(${options.map(([, value]) => String(value)).join(", ")})`;
}

class Comparer {
  readonly lemmas: LemmaGap[] = [];
  readonly differences: Difference[] = [];
  readonly numerically: string[] = [];
  /** Parameters that a lemma brings in which only one of the networks applies. */
  readonly given = new Set<Parameter>();
  private readonly tellA: ReturnType<typeof teller>;
  private readonly tellB: ReturnType<typeof teller>;
  /** What both call by one name though its shape differs, which is told of the parameter. */
  private readonly reshaped: ReadonlySet<string>;
  constructor(private readonly a: DerivedNetwork, private readonly b: DerivedNetwork, private readonly names: Correspondence) {
    this.tellA = teller(a.typed, names.namesA);
    this.tellB = teller(b.typed, names.namesB);
    this.reshaped = new Set(names.parameters.both.filter(([p, q]) => storedShape(p.built).join() !== storedShape(q.built).join()).map(([p]) => names.label(p)));
  }
  run(): void {
    const { both, onlyA, onlyB } = pairItems(itemsOf(this.a.typed), itemsOf(this.b.typed));
    for (const [x, y] of both) this.item(x, y);
    for (const [p, q] of this.names.parameters.both) if (isFixed(p) && isFixed(q)) this.fixed(p, q);
    for (const x of onlyA) this.plain(x.place, x.kind, "there", "not there");
    for (const y of onlyB) this.plain(y.place, y.kind, "not there", "there");
    this.loops(both);
    this.order(both);
  }
  /** Fixed parameters are part of the problem, unlike the values that learning starts from. */
  private fixed(p: Parameter, q: Parameter): void {
    if (this.reshaped.has(this.names.label(p))) return;
    const [a, b] = [p, q].map(({ declared }) => startingExpression(declared));
    if (a && b) this.expressions(p, q, "value", a, b);
    else this.plain(p.place, "value", tellInit(p.declared.init), tellInit(q.declared.init));
  }
  private note(place: string, part: string, a: string, b: string, more: Partial<Difference> = {}): void {
    this.differences.push({ place, part, a, b, ...more });
  }
  private plain(place: string, part: string, a: string | number, b: string | number): void {
    if (a !== b) this.note(place, part, String(a), String(b));
  }
  /** Statements of one repeated layer stay together. */
  private loops(both: readonly (readonly [Item, Item])[]): void {
    const loop = ({ layer }: Item): TypedLayer | undefined => (layer && layer.repeat > 1 ? layer : undefined);
    for (const [i, [x, y]] of both.entries()) {
      const split = both.slice(0, i).find(([v, w]) => (loop(v) !== undefined || loop(w) !== undefined) && (loop(v) === loop(x)) !== (loop(w) === loop(y)));
      if (!split) continue;
      const told = (same: boolean): string => `${same ? "in one layer with" : "in another layer than"} ${split[0].place}`;
      this.note(x.place, "layer", told(loop(split[0]) === loop(x)), told(loop(split[1]) === loop(y)));
    }
  }
  /** Statements that touch what the other assigns keep their order. */
  private order(both: readonly (readonly [Item, Item])[]): void {
    const place = new Map(itemsOf(this.b.typed).map((y, i) => [y.statement, i]));
    const inA = itemsOf(this.a.typed).map((x) => x.statement);
    const sorted = [...both].sort(([x], [v]) => inA.indexOf(x.statement) - inA.indexOf(v.statement));
    const touched = new Map(sorted.map(([x]) => [x, this.touched(x)]));
    for (const [j, [x, y]] of sorted.entries()) {
      const crossed = sorted.slice(0, j).find(([v, w]) => (place.get(w.statement) ?? 0) > (place.get(y.statement) ?? 0) && depend(touched.get(v), touched.get(x)));
      if (crossed) this.note(x.place, "order", `after ${crossed[0].place}`, `before ${crossed[0].place}`);
    }
  }
  private touched({ statement: s, layer }: Item): Touched {
    const reads = (...list: readonly (Expr | undefined)[]): ReadonlySet<string> => new Set(list.flatMap((e) => (e ? symbolsOf(this.tellA(e, layer).valued).map((x) => x.name) : [])));
    switch (s.kind) {
      case "var": return { writes: s.name, reads: reads(s.init) };
      case "assign": return { writes: s.name, reads: reads(s.value) };
      case "output": return { reads: reads(s.value) };
      case "step": return { writes: s.variable, reads: reads(this.a.derivations.get(s)?.update, s.then, s.when, s.over?.from) };
      case "objective": return { reads: new Set() };
    }
  }
  private expressions(x: Place, y: Place, part: string, ea: Expr | undefined, eb: Expr | undefined): void {
    const [a, b] = [ea && this.tellA(ea, x.layer), eb && this.tellB(eb, y.layer, innerName(x, y))];
    if (!a || !b) {
      if (a || b) this.note(x.place, part, a ? showExpr(a.named) : "none", b ? showExpr(b.named) : "none");
      return;
    }
    const found = compare(a.valued, b.valued, this.a.typed);
    if (found.equal) {
      if (found.numerically) this.numerically.push(`${x.place} ${part}`);
      return;
    }
    const shown = a.named.id === b.named.id ? { a: a.valued, b: b.valued } : { a: a.named, b: b.named };
    const [textA, textB] = [showExpr(shown.a, 400), showExpr(shown.b, 400)];
    if (textA === textB && symbolsOf(a.valued).some((s) => this.reshaped.has(s.name))) return;
    const term = differenceTerm(shown.a, shown.b);
    this.note(x.place, part, textA, textB, { ...(term === undefined ? {} : { term }), ...(found.counterexample ? { counterexample: found.counterexample } : {}) });
  }
  private item(x: Item, y: Item): void {
    this.plain(x.place, "copies", x.layer?.repeat ?? 1, y.layer?.repeat ?? 1);
    const [s, t] = [x.statement, y.statement];
    if (s.kind === "step" && t.kind === "step") return this.step(x, y, s, t);
    const value = (i: Item["statement"]): Expr | undefined => (i.kind === "var" ? i.init : i.kind === "assign" || i.kind === "output" ? i.value : undefined);
    this.expressions(x, y, "value", value(s), value(t));
  }
  private step(x: Item, y: Item, s: TypedStep, t: TypedStep): void {
    const [d, e] = [this.a.derivations.get(s), this.b.derivations.get(t)];
    if (d && e) this.updates(x, y, d, e);
    this.plain(x.place, "iterations", s.method.iterations, t.method.iterations);
    this.plain(x.place, "momentum", s.method.momentum.kind, t.method.momentum.kind);
    if (s.method.momentum.kind === "scalar" && t.method.momentum.kind === "scalar") this.expressions(x, y, "momentum", s.method.momentum.value, t.method.momentum.value);
    this.plain(x.place, "prenorm", s.prenorm?.mode ?? "none", t.prenorm?.mode ?? "none");
    if (s.prenorm && t.prenorm) this.expressions(x, y, "normalisation", s.prenorm.call, t.prenorm.call);
    this.expressions(x, y, "then", s.then, t.then);
    this.expressions(x, y, "when", s.when, t.when);
    this.expressions(x, y, "start of the inner variable", s.over?.from, t.over?.from);
  }
  /** Exact steps, then lemma after lemma: where do both stand at the same expression for the last time? */
  private updates(x: Item, y: Item, d: Derivation, e: Derivation): void {
    const rewritten = (of: Derivation): readonly { name: string; expression: Expr }[] =>
      of.lines.filter((l) => l.kind === "update" || l.kind === "lemma" || l.kind === "capture").map((l) => ({ name: l.kind === "update" ? "exact step" : l.rule, expression: l.expression }));
    const [la, lb] = [rewritten(d), rewritten(e)];
    const end = compare(this.tellA(d.update, x.layer).valued, this.aligned(e, d, x, y, e.update), this.a.typed);
    if (end.equal) {
      if (end.numerically) this.numerically.push(`${x.place} update`);
      return;
    }
    for (let sum = la.length + lb.length - 2; sum >= 0; sum--) for (let i = Math.min(sum, la.length - 1); i >= 0; i--) {
      const [p, q] = [la[i], lb[sum - i]];
      if (!p || !q) continue;
      const found = compare(this.tellA(p.expression, x.layer).valued, this.aligned(e, d, x, y, q.expression), this.a.typed);
      if (!found.equal) continue;
      this.bringIn(d, la.slice(i + 1).map((l) => l.name), this.names.namesA(x.layer), this.names.parameters.onlyA);
      this.bringIn(e, lb.slice(sum - i + 1).map((l) => l.name), this.names.namesB(y.layer), this.names.parameters.onlyB);
      this.lemmas.push({ place: x.place, onlyA: la.slice(i + 1).map((l) => l.name), onlyB: lb.slice(sum - i + 1).map((l) => l.name), agreed: p.name });
      return;
    }
    this.expressions(x, y, "update", d.update, e.update);
  }
  private bringIn({ step }: Derivation, lemmas: readonly string[], names: Names, alone: readonly Parameter[]): void {
    const given = step.using.filter((u) => lemmas.includes(u.lemma.name)).flatMap((u) => [...u.given.values()].flatMap(symbolsOf));
    const called = new Set(given.map((s) => names.values.get(s.name)));
    for (const p of alone) if (called.has(this.names.label(p))) this.given.add(p);
  }
  /** A family's own index is called as in the first network. */
  private aligned(e: Derivation, d: Derivation, x: Item, y: Item, update: Expr): Expr {
    const told = this.tellB(update, y.layer, innerName(x, y)).valued;
    const [from, to] = [e.variable.index, d.variable.index];
    return from === undefined || to === undefined || from === to ? told : renameFreeIndex(told, from, { kind: "variable", name: to });
  }
}

interface Touched {
  readonly writes?: string;
  readonly reads: ReadonlySet<string>;
}
const depend = (v: Touched | undefined, w: Touched | undefined): boolean => {
  const on = (p: Touched | undefined, q: Touched | undefined): boolean => p?.writes !== undefined && (q?.writes === p.writes || q?.reads.has(p.writes) === true);
  return on(v, w) || on(w, v);
};
/** The name after `over` is the step's own. */
function innerName(x: Place, y: Place): readonly [string, string] | undefined {
  const inner = ({ statement: s }: Place): string | undefined => (s?.kind === "step" ? s.over?.name : undefined);
  const [to, from] = [inner(x), inner(y)];
  return from !== undefined && to !== undefined ? [from, to] : undefined;
}

export function diffNetworks(a: DerivedNetwork, b: DerivedNetwork): DiffReport {
  const names = correspond(a, b);
  const comparer = new Comparer(a, b, names);
  comparer.run();
  const { lemmas, numerically } = comparer;
  const differences = [
    ...sizeDifferences(a.typed, b.typed, names), ...inputDifferences(a.typed, b.typed, names), ...comparer.differences, ...parameterDifferences(names, comparer.given),
  ];
  return {
    verdict: differences.length > 0 ? "different" : lemmas.length > 0 ? "same up to lemmas" : "same",
    lemmas, differences, numerically, names: Object.fromEntries(names.renamed),
  };
}

// ---------------------------------------------------------------- in words
export function diffText(report: DiffReport, a: string, b: string): string {
  const number4 = (x: number): string => (Number.isFinite(x) ? x.toPrecision(4) : String(x));
  const gap = (g: LemmaGap): string => {
    const own = (file: string, names: readonly string[]): readonly string[] => (names.length === 0 ? [] : [`${file} goes on with ${names.join(", ")}`]);
    return `  ${g.place}: both agree ${g.agreed === "exact step" ? "on the exact step" : `up to ${g.agreed}`}; ${[...own(a, g.onlyA), ...own(b, g.onlyB)].join("; ")}`;
  };
  const difference = (d: Difference): string => [
    `  ${d.place} ${d.part}`, `    ${a}: ${d.a}`, `    ${b}: ${d.b}`,
    ...(d.term === undefined ? [] : [`    difference: ${d.term}`]),
    ...(d.counterexample ? [`    at ${d.counterexample.sizes || "random values"}: entry (${d.counterexample.entry.join(", ")}) is ${number4(d.counterexample.a)} and ${number4(d.counterexample.b)}, ${number4(100 * d.counterexample.difference)}% apart`] : []),
  ].join("\n");
  const names = Object.entries(report.names);
  return [
    report.verdict === "same" ? `${a} and ${b} are the same network` : report.verdict === "same up to lemmas" ? `${a} and ${b} are the same network up to ${[...new Set(report.lemmas.flatMap((g) => [...g.onlyA, ...g.onlyB]))].join(", ")}` : `${a} and ${b} are different networks`,
    ...report.lemmas.map(gap), ...report.differences.map(difference),
    ...(report.numerically.length > 0 ? [`  equal at random points, though not in form: ${report.numerically.join(", ")}`] : []),
    ...(names.length > 0 ? [`  ${b} says ${names.map(([from, to]) => `${from} for ${to}`).join(", ")}`] : []), "",
  ].join("\n");
}
