/** Are two specs one network? The same, the same up to lemmas that one of them uses, or different: by which term, and at which numbers. */
import type { Derivation } from "../calculus/derive.js";
import { dropStops } from "../calculus/derive.js";
import { equalExpanded, expand } from "../calculus/expand.js";
import { type Expr, number, renameFreeIndex, sameShape, substitute, subtract, TooLarge } from "../expression/expr.js";
import { dimSymbol } from "../expression/dim.js";
import { showExpr } from "../expression/print.js";
import type { DerivedNetwork } from "../network/derived.js";
import { spreadLets } from "../network/lets.js";
import { evaluate } from "../numeric/evaluate.js";
import { relativeError, type Value } from "../numeric/matrix.js";
import type { TypedLayer, TypedLet, TypedNetwork, TypedParam, TypedStatement, TypedStep } from "../semantics/program.js";
import { networkPoint } from "./test-points.js";
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
function itemsOf(network: TypedNetwork): readonly Item[] {
  const read = (list: readonly TypedStatement[], layer?: TypedLayer): readonly Item[] => list.flatMap((s): readonly Item[] => {
    if (s.kind === "objective") return [];
    if (s.kind === "layer") return read(s.body, s);
    return [{ place: layer ? `${layer.name}.${s.name}` : s.name, kind: s.kind, name: s.name, ...(layer ? { layer } : {}), statement: s }];
  });
  return read(network.statements);
}
/** By place, then in order among those of one kind. */
function pairs(a: readonly Item[], b: readonly Item[]): { both: readonly (readonly [Item, Item])[]; onlyA: readonly Item[]; onlyB: readonly Item[] } {
  const both: (readonly [Item, Item])[] = [];
  const free = [...b];
  const take = (x: Item, fits: (y: Item) => boolean): boolean => {
    const at = free.findIndex((y) => y.kind === x.kind && fits(y));
    if (at < 0) return false;
    both.push([x, free.splice(at, 1)[0] as Item]);
    return true;
  };
  const rest = a.filter((x) => !take(x, (y) => y.place === x.place));
  const last = rest.filter((x) => !take(x, (y) => !a.some((z) => z.place === y.place)));
  return { both, onlyA: last, onlyB: free };
}

// ---------------------------------------------------------------- names
function matchNames<T>(a: readonly T[], b: readonly T[], name: (x: T) => string, like: (x: T, y: T) => boolean): Map<string, string> {
  const known = new Set(a.map(name));
  const open = a.filter((x) => !b.some((y) => name(y) === name(x)));
  const found = new Map<string, string>();
  for (const y of b) {
    if (known.has(name(y))) continue;
    const at = open.findIndex((x) => like(x, y));
    if (at >= 0) found.set(name(y), name(open.splice(at, 1)[0] as T));
  }
  return found;
}
const paramsOf = (n: TypedNetwork): readonly TypedParam[] => [...n.params, ...n.statements.flatMap((s) => (s.kind === "layer" ? s.params : []))];
function namesOf(a: TypedNetwork, b: TypedNetwork): Names {
  const dims = matchNames(a.dims, b.dims, (d) => d.name, (x, y) => x.value === y.value && x.batch === y.batch);
  const indices = matchNames(a.indices, b.indices, (i) => i.name, (x, y) => x.count === y.count);
  const shape = (x: { shape: TypedParam["shape"] }): string => x.shape.map((d) => a.showDim(d)).join();
  const shapeB = (x: { shape: TypedParam["shape"] }): string => x.shape.map((d) => dims.get(b.showDim(d)) ?? b.showDim(d)).join();
  const values = new Map([
    ...matchNames(paramsOf(a), paramsOf(b), (p) => p.name, (x, y) => shape(x) === shapeB(y) && (x.index === undefined) === (y.index === undefined)),
    ...matchNames(a.variables, b.variables, (v) => v.name, (x, y) => shape(x) === shapeB(y)),
    ...matchNames([...a.inputs, ...a.targets], [...b.inputs, ...b.targets], (i) => i.name, (x, y) => x.type.kind === y.type.kind && x.type.rank === y.type.rank),
    ...matchNames(a.consts, b.consts, (c) => c.name, (x, y) => x.value === y.value),
  ]);
  return { dims, indices, values };
}

// ---------------------------------------------------------------- comparing
/** An expression as written, and with constants and lets put in. */
interface Told { readonly named: Expr; readonly valued: Expr }
function teller(network: TypedNetwork, names: Names): (e: Expr, layer: TypedLayer | undefined) => Told {
  const lets = new Map(network.lets.filter((l) => l.kept).map((l) => [l.name, l]));
  const consts = new Map(network.consts.map((c) => [c.name, c.value]));
  // A size that the spec has a name for goes by it, whether it was solved from the shapes or left open.
  const own: Names = { ...sameNames, fold: (d) => { const name = network.showDim(d); return network.dims.some((x) => x.name === name) ? dimSymbol(name) : d; } };
  const opened = (lists: readonly (readonly [string, TypedLet])[]): ReadonlyMap<string, TypedLet> => new Map(lists.map(([k, l]) => [k, { ...l, value: translate(l.value, own) }]));
  return (e, layer) => {
    const local = opened((layer?.lets ?? []).filter((l) => l.kept).map((l) => [l.name, l]));
    const spread = spreadLets(translate(dropStops(e), own), local);
    const valued = substitute(spreadLets(spread, opened([...lets])), (s) => {
      const c = s.role === "const" ? consts.get(s.name) : undefined;
      return c === undefined ? undefined : number(c);
    });
    return { named: translate(spread, names), valued: translate(valued, names) };
  };
}
type Comparison = { readonly equal: true; readonly numerically: boolean } | { readonly equal: false; readonly counterexample?: Counterexample };

/** Sizes that fit each other in one network only have no point in common: there the two are not comparable. */
function valuesAt(a: Expr, b: Expr, at: Parameters<typeof evaluate>[1]): readonly [Value, Value] | undefined {
  try {
    return [evaluate(a, at), evaluate(b, at)];
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
function compare(a: Expr, b: Expr, network: TypedNetwork): Comparison {
  if (equalExpanded(a, b)) return { equal: true, numerically: false };
  if (!sameShape(a.shape, b.shape)) return { equal: false };
  let worst: Counterexample | undefined;
  let tried = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const environment = networkPoint(network, [a, b], seed * 7907);
    if (!environment) continue;
    const free = new Map(network.indices.map((i) => [i.name, 1]));
    const at = { ...environment, indices: free };
    const values = valuesAt(a, b, at);
    if (!values) continue;
    const [x, y] = values;
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

class Comparer {
  readonly lemmas: LemmaGap[] = [];
  readonly differences: Difference[] = [];
  readonly numerically: string[] = [];
  private readonly tellA: ReturnType<typeof teller>;
  private readonly tellB: ReturnType<typeof teller>;
  constructor(private readonly a: DerivedNetwork, private readonly b: DerivedNetwork, names: Names) {
    this.tellA = teller(a.typed, sameNames);
    this.tellB = teller(b.typed, names);
  }
  private told(e: Expr | undefined, item: Item, tell: ReturnType<typeof teller>): Told | undefined {
    return e && tell(e, item.layer);
  }
  private note(place: string, part: string, a: string, b: string, more: Partial<Difference> = {}): void {
    this.differences.push({ place, part, a, b, ...more });
  }
  plain(place: string, part: string, a: string | number, b: string | number): void {
    if (a !== b) this.note(place, part, String(a), String(b));
  }
  private expressions(x: Item, y: Item, part: string, ea: Expr | undefined, eb: Expr | undefined): void {
    const [a, b] = [this.told(ea, x, this.tellA), this.told(eb, y, this.tellB)];
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
    const term = differenceTerm(shown.a, shown.b);
    this.note(x.place, part, showExpr(shown.a, 400), showExpr(shown.b, 400), { ...(term === undefined ? {} : { term }), ...(found.counterexample ? { counterexample: found.counterexample } : {}) });
  }
  item(x: Item, y: Item): void {
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
    const end = compare(this.tellA(d.update, x.layer).valued, this.aligned(e, d, y, e.update), this.a.typed);
    if (end.equal) {
      if (end.numerically) this.numerically.push(`${x.place} update`);
      return;
    }
    for (let sum = la.length + lb.length - 2; sum >= 0; sum--) for (let i = Math.min(sum, la.length - 1); i >= 0; i--) {
      const [p, q] = [la[i], lb[sum - i]];
      if (!p || !q) continue;
      const found = compare(this.tellA(p.expression, x.layer).valued, this.aligned(e, d, y, q.expression), this.a.typed);
      if (!found.equal) continue;
      this.lemmas.push({ place: x.place, onlyA: la.slice(i + 1).map((l) => l.name), onlyB: lb.slice(sum - i + 1).map((l) => l.name), agreed: p.name });
      return;
    }
    this.expressions(x, y, "update", d.update, e.update);
  }
  /** A family's own index is called as in the first network. */
  private aligned(e: Derivation, d: Derivation, y: Item, update: Expr): Expr {
    const told = this.tellB(update, y.layer).valued;
    const [from, to] = [e.variable.index, d.variable.index];
    return from === undefined || to === undefined || from === to ? told : renameFreeIndex(told, from, { kind: "variable", name: to });
  }
}

export function diffNetworks(a: DerivedNetwork, b: DerivedNetwork): DiffReport {
  const names = namesOf(a.typed, b.typed);
  const comparer = new Comparer(a, b, names);
  const { both, onlyA, onlyB } = pairs(itemsOf(a.typed), itemsOf(b.typed));
  for (const d of a.typed.dims) {
    const other = b.typed.dims.find((x) => (names.dims.get(x.name) ?? x.name) === d.name);
    if (other && d.value !== other.value) comparer.plain(d.name, "size", d.value ?? "open", other.value ?? "open");
  }
  for (const [x, y] of both) comparer.item(x, y);
  for (const x of onlyA) comparer.plain(x.place, x.kind, "there", "not there");
  for (const y of onlyB) comparer.plain(y.place, y.kind, "not there", "there");
  const learned = (n: TypedNetwork): ReadonlyMap<string, TypedParam> => new Map(paramsOf(n).map((p) => [p.name, p]));
  const other = learned(b.typed);
  for (const [name, p] of learned(a.typed)) {
    const q = other.get([...names.values].find(([, to]) => to === name)?.[0] ?? name);
    if (q) comparer.plain(name, "parameter", p.fixed ? "fixed" : "learned", q.fixed ? "fixed" : "learned");
  }
  const { differences, lemmas, numerically } = comparer;
  return {
    verdict: differences.length > 0 ? "different" : lemmas.length > 0 ? "same up to lemmas" : "same",
    lemmas, differences, numerically, names: Object.fromEntries([...names.dims, ...names.indices, ...names.values]),
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
