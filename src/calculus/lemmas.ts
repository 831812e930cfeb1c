/** Rewriting an update by a lemma: as it stands first, multiplied out only if nothing was found (language, sections 6 and 13). */
import type { Dim } from "../expression/dim.js";
import {
  add, contains, type Expr, freeIndices, mapChildren, multiply, namesOf, number, scalarProduct, scale, splitCoefficient, termsOf, TooLarge,
} from "../expression/expr.js";
import { expand, flatten, type FlatTerm, rebuild } from "./expand.js";
import {
  type Bindings, chooseTerms, instantiate, matchProduct, noBindings, type Pattern, putIn, unifyShape,
} from "./match.js";

/** A lemma's hole: its shape is in the lemma's own dims; a family has an own index. */
export interface Hole {
  readonly name: string;
  readonly index?: string;
  readonly shape: Expr["shape"];
}
export interface RewriteRule {
  readonly name: string;
  readonly holes: readonly Hole[];
  readonly left: Expr;
  readonly right: Expr;
  readonly when?: Expr;
  /** What a `using` gives; a family's own index stands free in it. */
  readonly given: ReadonlyMap<string, Expr>;
}
/** One place where a rule matched: what it said there, and its condition there. */
export interface Application {
  readonly before: Expr;
  readonly after: Expr;
  readonly when?: Expr;
  /** What the rule's matched parameters stood for here; in a family the rule's own index stands free. */
  readonly holes: ReadonlyMap<string, Expr>;
  /** Sizes of the indices that stand free in all these: of the sums around the place. */
  readonly around: ReadonlyMap<string, Dim>;
}
export interface Rewritten {
  readonly result: Expr;
  readonly applications: readonly Application[];
  /** The update had to be multiplied out first. */
  readonly expanded: boolean;
}

interface Prepared {
  readonly left: Expr;
  /** The left side's terms as the lemma writes them: with c = 0.7 given, `X - c*X` is one term, and was two. */
  readonly leftTerms: readonly Expr[];
  readonly right: Expr;
  readonly when?: Expr;
  readonly pattern: Pattern;
  readonly start: Bindings;
  /** One product without a sign: matches inside terms. Otherwise whole terms are matched. */
  readonly inside: boolean;
}

function countHoles(e: Expr): Map<string, number> {
  const counts = new Map<string, number>();
  const visit = (x: Expr): Expr => {
    if (x.kind === "symbol" && x.role === "hole") counts.set(x.name, (counts.get(x.name) ?? 0) + 1);
    if (x.kind === "product") {
      x.scalars.forEach((s) => { for (let i = 0; i < Math.min(8, Math.abs(s.exponent)); i++) visit(s.base); });
      x.factors.forEach(visit);
      return x;
    }
    return mapChildren(x, visit);
  };
  visit(e);
  return counts;
}

/** Puts what is given, and the dims known by it, into both sides; undefined where a given thing has not the shape that the lemma asks for. */
function prepare(rule: RewriteRule, names: Iterable<string>): Prepared | undefined {
  let start: Bindings | undefined = noBindings;
  const holes = new Map(rule.holes.map((h) => [h.name, h]));
  for (const [name, value] of rule.given) {
    const hole = holes.get(name);
    start = start && hole && unifyShape(hole.shape, value.shape, start);
  }
  if (!start) return undefined;
  const known: Bindings = { ...start, holes: rule.given };
  // Counted and told apart as written: with c = 0.3 given, Z - c*Z is 0.7*Z, and still no product that matches inside terms.
  const holeIndex = new Map(rule.holes.flatMap((h) => (h.index ? [[h.name, h.index] as const] : [])));
  const pattern: Pattern = { occurrences: countHoles(rule.left), holeIndex, reserved: new Set([...names, ...holeIndex.values()]) };
  const put = (e: Expr): Expr => putIn(e, known, pattern).result;
  const left = put(rule.left);
  const inside = [rule.left, left].every((e) => e.kind !== "sum" && splitCoefficient(e).coefficient > 0);
  const base = { left, leftTerms: termsOf(rule.left).flatMap((t) => termsOf(put(t))), right: put(rule.right), pattern, start, inside };
  return rule.when ? { ...base, when: put(rule.when) } : base;
}

/** Sizes of indices that sums inside the expression bring with them. */
function collectSizes(e: Expr, into: Map<string, Dim>): void {
  contains(e, (x) => {
    if (x.kind === "indexSum") into.set(x.index, x.size);
    if (x.kind === "apply" && x.family) into.set(x.family.index, x.family.size);
    return false;
  });
}

class Search {
  readonly applications: Application[] = [];
  /** `opened`: the step's variable, whose term is itself and what was added to it: `0.6*Z` is `Z - 0.4*Z`. */
  constructor(private readonly rule: Prepared, private readonly sizes: Map<string, Dim>, private readonly opened?: Expr) {}

  private make(b: Bindings): Expr | undefined {
    return instantiate(this.rule.right, b, this.rule.pattern, (index) => this.sizes.get(index));
  }
  private note(before: Expr, after: Expr, b: Bindings): void {
    const when = this.rule.when && instantiate(this.rule.when, b, this.rule.pattern, (index) => this.sizes.get(index));
    const free = [before, after, ...(when ? [when] : [])].flatMap((e) => [...freeIndices(e)]);
    const around = new Map(free.flatMap((name) => { const size = this.sizes.get(name); return size ? [[name, size] as const] : []; }));
    this.applications.push({ before, after, holes: b.holes, around, ...(when ? { when } : {}) });
  }

  /** The expression as a sum of terms. */
  expression(e: Expr): Expr {
    const terms = termsOf(e);
    if (this.rule.inside) {
      const after = terms.map((t) => this.term(t));
      return after.every((t, i) => t === terms[i]) ? e : add(after);
    }
    // What takes the place of matched terms stands where the first of them stood.
    const placed = new Map<Expr, Expr>();
    let open = terms;
    for (;;) {
      const found = this.wholeTerms(open);
      if (!found) break;
      const first = open.find((t) => !found.rest.includes(t));
      if (first) placed.set(first, found.after);
      open = found.rest;
    }
    const after = terms.flatMap((t) => {
      const made = placed.get(t);
      return made ? [made] : open.includes(t) ? [this.term(t)] : [];
    });
    return after.length === terms.length && after.every((t, i) => t === terms[i]) ? e : add(after);
  }
  private wholeTerms(terms: readonly Expr[]): { after: Expr; rest: readonly Expr[] } | undefined {
    const at = terms.findIndex((t) => t !== this.opened && splitCoefficient(t).bare.id === this.opened?.id);
    const term = terms[at];
    if (!this.opened || !term) return this.chosen(termsOf(this.rule.left), terms, () => true);
    // Rounded as a person writes it: 1 - 0.9 is 0.1.
    const bare = this.opened;
    const added = scale(Number((splitCoefficient(term).coefficient - 1).toPrecision(15)), bare);
    return this.chosen(this.rule.leftTerms, [...terms.slice(0, at), bare, added, ...terms.slice(at + 1)], (left) => !left.includes(bare) && !left.includes(added));
  }
  private chosen(left: readonly Expr[], terms: readonly Expr[], fits: (rest: readonly Expr[]) => boolean): { after: Expr; rest: readonly Expr[] } | undefined {
    for (const m of chooseTerms(left, terms, this.rule.start, this.rule.pattern)) {
      if (!fits(m.rest)) continue;
      terms.forEach((t) => this.flatten(t));
      const after = this.make(m.bindings);
      if (!after) continue;
      this.note(add(terms.filter((t) => !m.rest.includes(t))), after, m.bindings);
      return { after, rest: m.rest };
    }
    return undefined;
  }
  private flatten(t: Expr): FlatTerm {
    const flat = flatten(t, this.rule.pattern.reserved);
    flat.bound.forEach((x) => this.sizes.set(x.index, x.size));
    return flat;
  }
  private term(t: Expr): Expr {
    const flat = this.flatten(t);
    if (this.rule.inside) {
      const replaced = this.product(flat);
      if (replaced) return replaced;
    }
    if (flat.bound.length === 0 && (t.kind !== "product" || flat.factors.length + flat.scalars.length === 0)) return this.within(t);
    const factors = flat.factors.map((f) => this.within(f));
    const scalars = flat.scalars.map((s) => ({ base: this.within(s.base), exponent: s.exponent }));
    const same = factors.every((f, i) => f === flat.factors[i]) && scalars.every((s, i) => s.base === flat.scalars[i]?.base);
    return same ? t : rebuild({ ...flat, factors, scalars });
  }
  /** Below a factor: arguments of functions, brackets. */
  private within(f: Expr): Expr {
    if (f.kind === "sum") return this.expression(f);
    return mapChildren(f, (child) => this.expression(child));
  }
  private product(t: FlatTerm): Expr | undefined {
    const left = flatten(this.rule.left, this.rule.pattern.reserved);
    for (const m of matchProduct(left, t, this.rule.start, this.rule.pattern, false)) {
      const after = this.make(m.bindings);
      if (!after) continue;
      const taken = t.bound.filter((x) => m.consumed.has(x.index));
      this.note(rebuild({ coefficient: 1, scalars: [], bound: taken, factors: [instantiateLeft(this.rule, m.bindings, this.sizes)] }), after, m.bindings);
      const before = t.factors.slice(0, m.start).map((f) => this.within(f));
      // Further matches to the right of this one, where the coefficient plays no part.
      const tail = t.factors.slice(m.end);
      const alone = left.scalars.length === 0 && left.bound.length === 0 && left.factors.length > 0 && tail.length > 0;
      const rest = alone
        ? [this.term(multiply(...tail))]
        : tail.map((f) => this.within(f));
      const front = scalarProduct(Math.sign(t.coefficient) * m.coefficient, m.scalars.map((s) => ({ base: this.within(s.base), exponent: s.exponent })));
      return rebuild({ coefficient: 1, scalars: [], bound: t.bound.filter((x) => !m.consumed.has(x.index)), factors: [front, ...before, after, ...rest] });
    }
    return undefined;
  }
}
/** The left side as it stood, its sums opened (the caller puts them back). */
function instantiateLeft(rule: Prepared, b: Bindings, sizes: ReadonlyMap<string, Dim>): Expr {
  const flat = flatten(rule.left, rule.pattern.reserved);
  const bare = rebuild({ ...flat, bound: [] });
  return instantiate(bare, b, rule.pattern, (index) => sizes.get(index)) ?? number(0);
}

/** Rewrites everywhere the rule matches, as both stand, then multiplied out; undefined where it matches nowhere. `variable`: what an update is the new value of. */
export function applyRule(update: Expr, rule: RewriteRule, indexSizes: ReadonlyMap<string, Dim>, variable?: Expr): Rewritten | undefined {
  const attempt = (left: Expr, e: Expr, expanded: boolean): Rewritten | undefined => {
    const prepared = prepare({ ...rule, left }, [...indexSizes.keys(), ...namesOf(update)]);
    const searched = (opened?: Expr): Rewritten | undefined => {
      if (!prepared) return undefined;
      const sizes = new Map(indexSizes);
      collectSizes(e, sizes);
      const search = new Search(prepared, sizes, opened);
      const result = search.expression(e);
      return search.applications.length > 0 ? { result, applications: search.applications, expanded } : undefined;
    };
    return searched() ?? (expanded && prepared && prepared.leftTerms.length > 1 && variable ? searched(variable) : undefined);
  };
  const found = attempt(rule.left, update, false);
  if (found) return found;
  try {
    const [spread, left] = [expand(update), expand(rule.left)];
    const multiplied = attempt(rule.left, spread, true);
    if (multiplied || left.id === rule.left.id) return multiplied;
    return attempt(left, update, false) ?? attempt(left, spread, true);
  } catch (error) {
    if (error instanceof TooLarge) return undefined;
    throw error;
  }
}
