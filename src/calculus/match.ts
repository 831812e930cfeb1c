/**
 * Matching a lemma's side against expressions (language, sections 6 and 13). A hole is a symbol of role "hole"; names that
 * contain a dot are the lemma's own dims and indices. All matchers are generators: each thing they yield is one way to match.
 */
import { type Dim, dimEquals, dimSubstitute, dimSymbol, dimSymbols, solveDim } from "../expression/dim.js";
import {
  add, type ApplyExpr, apply, contains, dimExpr, type Expr, freeIndices, freshIndex, identity, type IndexSumExpr, type IndexTerm, indexSum,
  indexTermKey, mapChildren, multiply, namesOf, negate, number, ones, partsOf, type Power, renameFreeIndex, scalarProduct, scalarShape,
  type SliceExpr, slice, softmaxFamily, sortedOptions, splitCoefficient, type SymbolExpr, symbol, termsOf, transpose, zero,
} from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import { flatten, type FlatTerm } from "./expand.js";

/** What is known so far; maps are never changed once they are in a binding. */
export interface Bindings {
  readonly holes: ReadonlyMap<string, Expr>;
  readonly dims: ReadonlyMap<string, Dim>;
  /** The lemma's index → the index (or member) that it stands for. */
  readonly indices: ReadonlyMap<string, IndexTerm>;
}
export const noBindings: Bindings = { holes: new Map(), dims: new Map(), indices: new Map() };

/** How often each hole stands in the pattern: a hole that stands once, as a whole term or argument, takes all of it. */
export interface Pattern {
  readonly occurrences: ReadonlyMap<string, number>;
  /** Own index of each family hole. */
  readonly holeIndex: ReadonlyMap<string, string>;
  /** Names that no sum may get which has to be renamed: they mean something where the lemma is used. */
  readonly reserved: ReadonlySet<string>;
}

const withHole = (b: Bindings, name: string, value: Expr): Bindings => ({ ...b, holes: new Map(b.holes).set(name, value) });
const withIndex = (b: Bindings, name: string, to: IndexTerm): Bindings => ({ ...b, indices: new Map(b.indices).set(name, to) });

/** Equal but for the rounding of the reckoning that made them: 1 - 0.7 is 0.3. */
const sameNumber = (x: number, y: number): boolean => Math.abs(x - y) <= 1e-14 * Math.max(Math.abs(x), Math.abs(y));

// ---------------------------------------------------------------- dims and indices
const isOwn = (name: string): boolean => name.includes(".");

export function unifyDim(pattern: Dim, target: Dim, b: Bindings): Bindings | undefined {
  const known = dimSubstitute(pattern, (s) => b.dims.get(s));
  if (dimEquals(known, target)) return b;
  const open = [...dimSymbols(known)].filter((s) => isOwn(s) && !b.dims.has(s));
  const [only] = open;
  if (open.length !== 1 || only === undefined) return undefined;
  const value = solveDim(known, target, only);
  return value && { ...b, dims: new Map(b.dims).set(only, value) };
}
export function unifyShape(pattern: Shape, target: Shape, b: Bindings): Bindings | undefined {
  if (pattern.length !== target.length) return undefined;
  return pattern.reduce<Bindings | undefined>((now, d, i) => now && unifyDim(d, target[i] as Dim, now), b);
}
function matchIndex(pattern: IndexTerm | undefined, target: IndexTerm | undefined, b: Bindings): Bindings | undefined {
  if (!pattern || !target) return pattern === target ? b : undefined;
  if (pattern.kind === "number" || !isOwn(pattern.name)) return indexTermKey(pattern) === indexTermKey(target) ? b : undefined;
  const known = b.indices.get(pattern.name);
  if (known) return indexTermKey(known) === indexTermKey(target) ? b : undefined;
  return withIndex(b, pattern.name, target);
}

// ---------------------------------------------------------------- holes
/** `X`, `X'`, `X[k]` not yet bound. */
function openHole(p: Expr, b: Bindings): { hole: SymbolExpr; turned: boolean } | undefined {
  const [inner, turned] = p.kind === "transpose" ? [p.arg, true] : [p, false];
  return inner.kind === "symbol" && inner.role === "hole" && !b.holes.has(inner.name) ? { hole: inner, turned } : undefined;
}
function bindHole(hole: SymbolExpr, value: Expr, b: Bindings, pattern: Pattern): Bindings | undefined {
  const shaped = unifyShape(hole.shape, value.shape, b);
  if (!shaped || !mayStandFor(hole, value, shaped)) return undefined;
  // A family hole is kept as its member at the hole's own index.
  const own = pattern.holeIndex.get(hole.name);
  const at = hole.member?.kind === "variable" ? shaped.indices.get(hole.member.name) : undefined;
  const kept = own && at?.kind === "variable" ? renameFreeIndex(value, at.name, { kind: "variable", name: own }) : value;
  return withHole(shaped, hole.name, kept);
}
/** A parameter without an index may not stand for what depends on an index of the lemma. */
function mayStandFor(hole: SymbolExpr, value: Expr, b: Bindings): boolean {
  const free = freeIndices(value);
  for (const [own, to] of b.indices) {
    if (to.kind !== "variable" || !free.has(to.name)) continue;
    if (!(hole.member?.kind === "variable" && hole.member.name === own)) return false;
  }
  return true;
}
/** After everything is bound: indices found late must not stand in holes without them. */
function holesRespectIndices(b: Bindings, pattern: Pattern): boolean {
  for (const [name, value] of b.holes) {
    const free = freeIndices(value);
    for (const to of b.indices.values()) {
      if (to.kind === "variable" && free.has(to.name) && !pattern.holeIndex.has(name)) return false;
    }
  }
  return true;
}
function boundValue(p: SymbolExpr, b: Bindings, pattern: Pattern): Expr | undefined {
  const value = b.holes.get(p.name);
  const own = pattern.holeIndex.get(p.name);
  if (!value || !own || p.member === undefined) return value;
  const at = p.member.kind === "variable" ? (b.indices.get(p.member.name) ?? p.member) : p.member;
  return renameFreeIndex(value, own, at);
}

// ---------------------------------------------------------------- whole expressions
/** All ways in which the pattern is the whole target, sign and coefficient included. */
export function* matchExpr(p: Expr, t: Expr, b: Bindings, pattern: Pattern): Generator<Bindings> {
  const hole = openHole(p, b);
  if (hole) {
    const bound = bindHole(hole.hole, hole.turned ? transpose(t) : t, b, pattern);
    if (bound) yield bound;
    return;
  }
  switch (p.kind) {
    case "number":
      if (t.kind === "number" && sameNumber(t.value, p.value)) yield b;
      return;
    case "symbol": {
      const bound = matchSymbol(p, t, b, pattern);
      if (bound) yield bound;
      return;
    }
    case "identity": case "zero": case "ones": {
      const bound = t.kind === p.kind ? unifyShape(p.shape, t.shape, b) : undefined;
      if (bound) yield bound;
      return;
    }
    case "transpose":
      if (p.arg.kind === "symbol") {
        const bound = matchSymbol(p.arg, transpose(t), b, pattern);
        if (bound) yield bound;
      } else if (t.kind === "transpose") yield* matchExpr(p.arg, t.arg, b, pattern);
      return;
    case "inverse":
      if (t.kind === "inverse") yield* matchExpr(p.arg, t.arg, b, pattern);
      return;
    case "slice":
      if (t.kind === "slice" && sameRanges(p, t, b)) yield* matchExpr(p.arg, t.arg, b, pattern);
      return;
    case "apply": yield* matchApply(p, t, b, pattern); return;
    case "sum": yield* matchSum(p.terms, termsOf(t), b, pattern); return;
    case "product": case "indexSum": {
      if (p.kind === "indexSum" && p.body.kind === "sum") {
        if (t.kind === "indexSum") yield* matchSumOfBracket(p, t, b, pattern);
        return;
      }
      const [left, right] = [flatten(p, pattern.reserved), flatten(t, pattern.reserved)];
      if (Math.sign(left.coefficient) !== Math.sign(right.coefficient)) return;
      for (const m of matchProduct(left, right, b, pattern, true)) yield m.bindings;
      return;
    }
  }
}
/** `sum(k) (A[k] + B[k])`: the indices stand for each other, the brackets match as sums do. */
function* matchSumOfBracket(p: IndexSumExpr, t: IndexSumExpr, b: Bindings, pattern: Pattern): Generator<Bindings> {
  const sized = unifyDim(p.size, t.size, b);
  if (!sized) return;
  // What the sum binds is its own: it must not meet what another sum, or a hole, has brought along.
  const taken = new Set([p, ...b.holes.values()].flatMap((e) => [...freeIndices(e)]));
  for (const to of b.indices.values()) if (to.kind === "variable") taken.add(to.name);
  const isTaken = (name: string): boolean => taken.has(name) || pattern.reserved.has(name) || namesOf(t).has(name);
  const place = taken.has(t.index) ? freshIndex(t.index, isTaken) : t.index;
  const own = !isOwn(p.index) ? place : b.indices.has(p.index) ? freshIndex(p.index, (name) => b.indices.has(name) || pattern.reserved.has(name)) : p.index;
  const at = matchIndex({ kind: "variable", name: own }, { kind: "variable", name: place }, sized);
  const opened = (e: IndexSumExpr, name: string): readonly Expr[] => termsOf(renameFreeIndex(e.body, e.index, { kind: "variable", name }));
  if (at) yield* matchSum(opened(p, own), opened(t, place), at, pattern);
}
function matchSymbol(p: SymbolExpr, t: Expr, b: Bindings, pattern: Pattern): Bindings | undefined {
  if (p.role === "hole") {
    const value = boundValue(p, b, pattern);
    return value && value.id === t.id ? b : undefined;
  }
  if (p.role === "dim" && isOwn(p.name)) {
    const value = b.dims.get(p.name);
    if (value) return dimExpr(value).id === t.id ? b : undefined;
    return t.kind === "symbol" && t.role === "dim" ? { ...b, dims: new Map(b.dims).set(p.name, dimSymbol(t.name)) } : undefined;
  }
  if (p.role === "index" && isOwn(p.name)) {
    const at: IndexTerm | undefined = t.kind === "number" ? { kind: "number", value: t.value }
      : t.kind === "symbol" && t.role === "index" ? { kind: "variable", name: t.name } : undefined;
    return at && matchIndex({ kind: "variable", name: p.name }, at, b);
  }
  if (t.kind !== "symbol" || t.name !== p.name) return undefined;
  return matchIndex(p.member, t.member, b);
}
function sameRanges(p: SliceExpr, t: SliceExpr, b: Bindings): boolean {
  const same = (a: SliceExpr["rows"], c: SliceExpr["rows"]): boolean => {
    if (!a || !c) return a === c;
    const known = (d: Dim): Dim => dimSubstitute(d, (s) => b.dims.get(s));
    return dimEquals(known(a.from), c.from) && dimEquals(known(a.to), c.to);
  };
  return same(p.rows, t.rows) && same(p.cols, t.cols);
}
function* matchApply(p: ApplyExpr, t: Expr, b: Bindings, pattern: Pattern): Generator<Bindings> {
  if (t.kind !== "apply" || t.fn !== p.fn || sortedOptions(t.options) !== sortedOptions(p.options)) return;
  if (p.family || t.family) {
    const [f, g, pa, ta] = [p.family, t.family, p.args[0], t.args[0]];
    if (!f || !g || !pa || !ta) return;
    const at = matchIndex(f.at, g.at, b);
    if (!at) return;
    // The index under the function runs on its own: bring both to one name, match, and forget it again.
    const place: IndexTerm = { kind: "variable", name: `${f.index}·` };
    for (const m of matchExpr(renameFreeIndex(pa, f.index, place), renameFreeIndex(ta, g.index, place), withIndex(at, place.name, place), pattern)) {
      const indices = new Map(m.indices);
      indices.delete(place.name);
      yield { ...m, indices };
    }
    return;
  }
  if (p.fn === "hadamard" || p.fn === "max" || p.fn === "min" || p.fn === "equal") {
    yield* matchUnordered(p.args, t.args, b, pattern, (rest) => apply(p.fn, rest));
    return;
  }
  if (p.args.length !== t.args.length) return;
  yield* matchInOrder(p.args, t.args, 0, b, pattern);
}
function* matchInOrder(ps: readonly Expr[], ts: readonly Expr[], i: number, b: Bindings, pattern: Pattern): Generator<Bindings> {
  const [p, t] = [ps[i], ts[i]];
  if (!p || !t) {
    yield b;
    return;
  }
  for (const m of matchExpr(p, t, b, pattern)) yield* matchInOrder(ps, ts, i + 1, m, pattern);
}
/** Arguments in any order; an open hole that stands once takes all that is left. */
function* matchUnordered(
  ps: readonly Expr[], ts: readonly Expr[], b: Bindings, pattern: Pattern, join: (rest: readonly Expr[]) => Expr,
): Generator<Bindings> {
  const [p, ...later] = [...ps].sort((x, y) => Number(openHole(x, b) !== undefined) - Number(openHole(y, b) !== undefined));
  if (!p) {
    if (ts.length === 0) yield b;
    return;
  }
  if (later.length === 0 && openHole(p, b)) {
    if (ts.length > 0) yield* matchExpr(p, ts.length === 1 ? (ts[0] as Expr) : join(ts), b, pattern);
    return;
  }
  for (let i = 0; i < ts.length; i++) {
    for (const m of matchExpr(p, ts[i] as Expr, b, pattern)) yield* matchUnordered(later, [...ts.slice(0, i), ...ts.slice(i + 1)], m, pattern, join);
  }
}

// ---------------------------------------------------------------- sums
/** A whole term that is one open hole, standing once: it takes its term (or all that is left) with sign and coefficient. */
export function wholeTermHole(p: Expr, b: Bindings, pattern: Pattern): { hole: SymbolExpr; turned: boolean; sign: number } | undefined {
  const { coefficient, bare } = splitCoefficient(p);
  if (Math.abs(coefficient) !== 1) return undefined;
  const open = openHole(bare, b);
  return open && pattern.occurrences.get(open.hole.name) === 1 ? { ...open, sign: coefficient } : undefined;
}
/** Every term of the target is used up. */
function* matchSum(ps: readonly Expr[], ts: readonly Expr[], b: Bindings, pattern: Pattern): Generator<Bindings> {
  const whole = ps.filter((p) => wholeTermHole(p, b, pattern));
  const [taker] = whole;
  const strict = taker && whole.length === 1 ? ps.filter((p) => p !== taker) : ps;
  for (const m of chooseTerms(strict, ts, b, pattern)) {
    if (taker && whole.length === 1) {
      if (m.rest.length === 0) continue;
      const hole = wholeTermHole(taker, m.bindings, pattern);
      if (!hole) continue;
      const all = hole.sign < 0 ? negate(add(m.rest)) : add(m.rest);
      const bound = bindHole(hole.hole, hole.turned ? transpose(all) : all, m.bindings, pattern);
      if (bound) yield bound;
    } else if (m.rest.length === 0) yield m.bindings;
  }
}
/** Each pattern term takes one whole term of the target; what is left is given back, in order. */
export function* chooseTerms(
  ps: readonly Expr[], ts: readonly Expr[], b: Bindings, pattern: Pattern,
): Generator<{ bindings: Bindings; rest: readonly Expr[]; first: number }> {
  const [p, ...later] = ps;
  if (!p) {
    yield { bindings: b, rest: ts, first: Number.POSITIVE_INFINITY };
    return;
  }
  for (let i = 0; i < ts.length; i++) {
    for (const m of matchTerm(p, ts[i] as Expr, b, pattern)) {
      for (const r of chooseTerms(later, [...ts.slice(0, i), ...ts.slice(i + 1)], m, pattern)) yield { ...r, first: Math.min(i, r.first) };
    }
  }
}
function* matchTerm(p: Expr, t: Expr, b: Bindings, pattern: Pattern): Generator<Bindings> {
  const whole = wholeTermHole(p, b, pattern);
  if (whole) {
    const value = whole.sign < 0 ? negate(t) : t;
    const bound = bindHole(whole.hole, whole.turned ? transpose(value) : value, b, pattern);
    if (bound) yield bound;
    return;
  }
  const [left, right] = [flatten(p, pattern.reserved), flatten(t, pattern.reserved)];
  if (Math.sign(left.coefficient) !== Math.sign(right.coefficient)) return;
  for (const m of matchProduct(left, right, b, pattern, true)) yield m.bindings;
}

// ---------------------------------------------------------------- products
export interface ProductMatch {
  readonly bindings: Bindings;
  /** The run of the target's factors that was matched. */
  readonly start: number;
  readonly end: number;
  /** What is left of the coefficient, without its sign. */
  readonly coefficient: number;
  readonly scalars: readonly Power[];
  /** Names of the target's sums that the pattern's sums took. */
  readonly consumed: ReadonlySet<string>;
}

/** All ways in which the pattern matches a run of the target's factors (all of them, and all scalars, if `whole`). Signs are the caller's. */
export function* matchProduct(p: FlatTerm, t: FlatTerm, b: Bindings, pattern: Pattern, whole: boolean): Generator<ProductMatch> {
  for (const paired of pairSums(p.bound.map((x) => x.index), t.bound.map((x) => x.index), b, [])) {
    if (whole && paired.used.length !== t.bound.length) continue;
    const consumed = new Set(paired.used);
    const lastStart = whole || p.factors.length === 0 ? 0 : t.factors.length - 1;
    for (let start = 0; start <= lastStart; start++) {
      for (const run of matchFactors(p.factors, 0, t.factors, start, paired.bindings, pattern)) {
        if (whole && run.end !== t.factors.length) continue;
        for (const rest of matchScalars(p, t, run.bindings, pattern, consumed)) {
          if (whole && (!sameNumber(rest.coefficient, 1) || rest.scalars.length > 0)) continue;
          if (!holesRespectIndices(rest.bindings, pattern)) continue;
          const outside = [...t.factors.slice(0, start), ...t.factors.slice(run.end), ...rest.scalars.map((s) => s.base)];
          if (outside.some((e) => [...consumed].some((index) => freeIndices(e).has(index)))) continue;
          yield { ...rest, start, end: run.end, consumed };
        }
      }
    }
  }
}
/** Which sum of the target each sum of the pattern stands for. */
function* pairSums(
  ps: readonly string[], ts: readonly string[], b: Bindings, used: readonly string[],
): Generator<{ bindings: Bindings; used: readonly string[] }> {
  const [p, ...later] = ps;
  if (p === undefined) {
    yield { bindings: b, used };
    return;
  }
  for (const t of ts) {
    if (used.includes(t)) continue;
    const bound = matchIndex({ kind: "variable", name: p }, { kind: "variable", name: t }, b);
    if (bound) yield* pairSums(later, ts, bound, [...used, t]);
  }
}
function* matchFactors(
  ps: readonly Expr[], i: number, ts: readonly Expr[], at: number, b: Bindings, pattern: Pattern,
): Generator<{ end: number; bindings: Bindings }> {
  const p = ps[i];
  if (!p) {
    yield { end: at, bindings: b };
    return;
  }
  const open = openHole(p, b);
  if (open) {
    // The longest run that fits comes first.
    for (let end = ts.length - (ps.length - i - 1); end > at; end--) {
      const run = multiply(...ts.slice(at, end));
      const bound = bindHole(open.hole, open.turned ? transpose(run) : run, b, pattern);
      if (bound) yield* matchFactors(ps, i + 1, ts, end, bound, pattern);
    }
    return;
  }
  const [inner, turned] = p.kind === "transpose" ? [p.arg, true] : [p, false];
  const known = inner.kind === "symbol" && inner.role === "hole" ? boundValue(inner, b, pattern) : undefined;
  if (known) {
    const parts = partsOf(turned ? transpose(known) : known);
    const fits = parts.coefficient === 1 && parts.scalars.length === 0 &&
      parts.factors.every((f, j) => ts[at + j]?.id === f.id);
    if (fits) yield* matchFactors(ps, i + 1, ts, at + parts.factors.length, b, pattern);
    return;
  }
  const t = ts[at];
  if (!t) return;
  for (const m of matchExpr(p, t, b, pattern)) yield* matchFactors(ps, i + 1, ts, at + 1, m, pattern);
}

function hasOpenHole(e: Expr, b: Bindings): boolean {
  if (e.kind === "symbol") return e.role === "hole" && !b.holes.has(e.name);
  let found = false;
  mapChildren(e, (c) => {
    found ||= hasOpenHole(c, b);
    return c;
  });
  return found;
}

/** An index of the lemma's own that nothing has bound yet, free or under a sum. */
function hasOpenIndex(e: Expr, b: Bindings): boolean {
  const open = (name: string): boolean => isOwn(name) && !b.indices.has(name);
  return [...freeIndices(e)].some(open) || contains(e, (x) => x.kind === "indexSum" && open(x.index));
}
interface ScalarRest {
  readonly bindings: Bindings;
  readonly coefficient: number;
  readonly scalars: readonly Power[];
}
/** Given scalars are taken out of the coefficient; open ones take what remains and they may stand for; what runs with a consumed index goes with a family hole. */
function* matchScalars(
  p: FlatTerm, t: FlatTerm, b: Bindings, pattern: Pattern, consumed: ReadonlySet<string>,
): Generator<ScalarRest> {
  const takers = p.scalars.filter((s) => openHole(s.base, b));
  const compound = p.scalars.filter((s) => !takers.includes(s) && (hasOpenHole(s.base, b) || hasOpenIndex(s.base, b)));
  const fixed = p.scalars.filter((s) => !takers.includes(s) && !compound.includes(s));
  let rest: { coefficient: number; scalars: readonly Power[] } | undefined =
    { coefficient: Math.abs(t.coefficient) / Math.abs(p.coefficient), scalars: t.scalars };
  for (const s of fixed) {
    const value = instantiate(s.base, b, pattern);
    rest = rest && value && takeOut(rest, value, s.exponent);
  }
  if (!rest) return;
  for (const m of matchCompound(compound, rest, b, pattern)) {
    let { bindings, coefficient, scalars } = m;
    let failed = false;
    for (const taker of takers) {
      const hole = taker.base as SymbolExpr;
      const known = bindings;
      const taken = scalars.filter((s) => mayStandFor(hole, s.base, known));
      const root = 1 / taker.exponent;
      if (taken.some((s) => !Number.isInteger(s.exponent * root))) { failed = true; break; }
      const value = scalarProduct(coefficient ** root, taken.map((s) => ({ base: s.base, exponent: s.exponent * root })));
      const bound = bindHole(hole, value, bindings, pattern);
      if (!bound) { failed = true; break; }
      bindings = bound;
      coefficient = 1;
      scalars = scalars.filter((s) => !taken.includes(s));
    }
    if (failed) continue;
    const running = scalars.filter((s) => [...consumed].some((index) => freeIndices(s.base).has(index)));
    const absorbed = running.reduce<Bindings | undefined>((now, s) => now && absorb(s, p, now, pattern), bindings);
    if (absorbed) yield { bindings: absorbed, coefficient, scalars: scalars.filter((s) => !running.includes(s)) };
  }
}
function takeOut(rest: { coefficient: number; scalars: readonly Power[] }, value: Expr, exponent: number) {
  const parts = partsOf(value);
  if (parts.factors.length > 0) return takePower(rest, { base: value, exponent });
  let now: typeof rest | undefined = { coefficient: rest.coefficient / Math.abs(parts.coefficient) ** exponent, scalars: rest.scalars };
  for (const s of parts.scalars) now = now && takePower(now, { base: s.base, exponent: s.exponent * exponent });
  return now;
}
function takePower(rest: { coefficient: number; scalars: readonly Power[] }, wanted: Power) {
  const found = rest.scalars.find((s) => s.base.id === wanted.base.id);
  if (!found || Math.sign(found.exponent) !== Math.sign(wanted.exponent) || Math.abs(found.exponent) < Math.abs(wanted.exponent)) return undefined;
  const left = found.exponent - wanted.exponent;
  const scalars = rest.scalars.flatMap((s) => (s !== found ? [s] : left === 0 ? [] : [{ base: s.base, exponent: left }]));
  return { coefficient: rest.coefficient, scalars };
}
function* matchCompound(
  ps: readonly Power[], rest: { coefficient: number; scalars: readonly Power[] }, b: Bindings, pattern: Pattern,
): Generator<ScalarRest> {
  const [p, ...later] = ps;
  if (!p) {
    yield { bindings: b, ...rest };
    return;
  }
  for (const s of rest.scalars) {
    const others = takePower(rest, { base: s.base, exponent: p.exponent });
    if (!others) continue;
    for (const m of matchExpr(p.base, s.base, b, pattern)) yield* matchCompound(later, others, m, pattern);
  }
}
/** A scalar that runs with a consumed index joins the last family hole of this product that may stand for it and stands nowhere else. */
function absorb(running: Power, p: FlatTerm, b: Bindings, pattern: Pattern): Bindings | undefined {
  const holes = p.factors.flatMap((f) => {
    const inner = f.kind === "transpose" ? f.arg : f;
    const open = inner.kind === "symbol" && inner.role === "hole" && pattern.occurrences.get(inner.name) === 1;
    return open && mayStandFor(inner, running.base, b) ? [inner] : [];
  });
  const hole = holes.at(-1);
  const own = hole && pattern.holeIndex.get(hole.name);
  const at = hole?.member?.kind === "variable" ? b.indices.get(hole.member.name) : undefined;
  const value = hole && b.holes.get(hole.name);
  if (!own || !value || at?.kind !== "variable") return undefined;
  const scalar = renameFreeIndex(scalarProduct(1, [running]), at.name, { kind: "variable", name: own });
  return withHole(b, hole.name, multiply(scalar, value));
}

// ---------------------------------------------------------------- instances
/** The pattern with everything bound put in; undefined where something has nothing to stand for. */
export function instantiate(e: Expr, b: Bindings, pattern: Pattern, sizeOf: (index: string) => Dim | undefined = () => undefined): Expr | undefined {
  const { result, missing } = putIn(e, b, pattern, sizeOf);
  return missing ? undefined : result;
}
/** What is bound, put in; the shapes of all that stays open are in the dims that are known. */
export function putIn(
  e: Expr, b: Bindings, pattern: Pattern, sizeOf: (index: string) => Dim | undefined = () => undefined,
): { readonly result: Expr; readonly missing: boolean } {
  const dim = (d: Dim): Dim => dimSubstitute(d, (s) => b.dims.get(s));
  const at = (t: IndexTerm): IndexTerm => (t.kind === "variable" ? (b.indices.get(t.name) ?? t) : t);
  const shape = (s: Shape): Shape => s.map(dim);
  let missing = false;
  const visit = (x: Expr): Expr => {
    switch (x.kind) {
      case "symbol": {
        if (x.role === "hole") {
          const value = boundValue(x, b, pattern);
          if (!value) missing = true;
          return value ?? symbol(x.name, x.role, shape(x.shape), x.member);
        }
        if (x.role === "dim" && isOwn(x.name)) {
          const value = b.dims.get(x.name);
          if (!value) missing = true;
          return value ? dimExpr(value) : x;
        }
        if (x.role === "index") {
          const to = at({ kind: "variable", name: x.name });
          return to.kind === "number" ? number(to.value) : symbol(to.name, "index", scalarShape);
        }
        return x.member ? symbol(x.name, x.role, x.shape, at(x.member)) : x;
      }
      case "identity": return identity(dim(x.shape[0] as Dim));
      case "zero": return zero(shape(x.shape));
      case "ones": return ones(shape(x.shape));
      case "slice": {
        const range = (r: SliceExpr["rows"]) => r && { from: dim(r.from), to: dim(r.to) };
        return slice(visit(x.arg), range(x.rows), range(x.cols));
      }
      case "indexSum": {
        const to = at({ kind: "variable", name: x.index });
        const own = dim(x.size);
        const size = [...dimSymbols(own)].some(isOwn) && to.kind === "variable" ? sizeOf(to.name) : own;
        if (to.kind !== "variable" || isOwn(to.name) || !size) {
          missing = true;
          return indexSum(x.index, own, visit(x.body));
        }
        return indexSum(to.name, size, visit(x.body));
      }
      case "apply": {
        if (!x.family || !x.args[0]) break;
        const inner = at({ kind: "variable", name: x.family.index });
        const name = inner.kind === "variable" ? inner.name : x.family.index;
        const size = sizeOf(name) ?? x.family.size;
        const arg = visit(x.args[0]);
        if (inner.kind === "number") {
          // The member is fixed, the index itself still runs.
          missing = true;
          return x;
        }
        return softmaxFamily(arg, name, size, at(x.family.at));
      }
      default: break;
    }
    return mapChildren(x, visit);
  };
  return { result: visit(e), missing };
}
