/**
 * How is an expression arranged on paper? Which factors stand over and under a fraction's bar, where brackets are needed, what an operator takes:
 * decided here once; a notation (LaTeX, MathML) has only the signs.
 */
import { type Dim, isOne } from "../expression/dim.js";
import {
  type ApplyExpr, type ConstantExpr, colsOf, dimExpr, type Expr, type IndexTerm, isScalar, number, type NumberExpr, type Power,
  type ProductExpr, type Range, renameFreeIndex, type SliceExpr, type SumExpr,
} from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";
import { divisorOf, entrywiseLayout, isDivision, productLayout, type ProductLayout, readingOrder } from "../expression/reading.js";

const level = { sum: 2, product: 3, power: 5, application: 5.5, atom: 6 } as const;

/** A term of a sum, written, without its sign. */
export interface SignedText {
  readonly negative: boolean;
  readonly body: string;
}
/** What a language of mathematics writes for each arrangement. Texts are whole pieces of that language. */
export interface Notation {
  /** A name with the members it is taken at below it. */
  readonly name: (name: string, members: readonly string[]) => string;
  /** Has the name nothing below it, so that a range may stand there? */
  readonly takesBelow: (name: string) => boolean;
  /** `compound`: of several parts, which do not stand in a fraction. */
  readonly number: (value: number) => { readonly text: string; readonly compound: boolean };
  /** Digits as they are. */
  readonly digits: (value: number) => string;
  readonly identity: string;
  readonly zero: string;
  /** What is left out. */
  readonly dots: string;
  readonly whole: string;
  readonly transposed: string;
  readonly inverse: string;
  readonly inverseTransposed: string;
  /** The norms' index of vectors, and of matrices. */
  readonly two: string;
  readonly frobenius: string;
  readonly ones: (size: string) => string;
  readonly raise: (base: string, exponent: string) => string;
  readonly below: (base: string, under: string) => string;
  /** `large`: it has taken the factors in; else it stands in front of them. */
  readonly fraction: (over: string, under: string, large: boolean) => string;
  readonly root: (text: string) => string;
  readonly brackets: (text: string) => string;
  readonly squareBrackets: (text: string) => string;
  readonly bars: (text: string) => string;
  readonly norm: (text: string, under: string) => string;
  readonly squaredNorm: (text: string, under: string) => string;
  readonly sum: (terms: readonly SignedText[]) => string;
  readonly negated: (text: string) => string;
  /** Factors side by side. */
  readonly juxtaposed: (parts: readonly string[]) => string;
  readonly list: (parts: readonly string[]) => string;
  readonly range: (from: string, to: string) => string;
  readonly sumOver: (index: string, body: string) => string;
  readonly entrywise: (over: readonly string[], under: readonly string[]) => string;
  readonly entrywiseExponent: (exponent: string) => string;
  readonly remainder: (a: string, b: string) => string;
  readonly compared: (a: string, sign: string, b: string) => string;
  readonly comparisons: Partial<Record<FunctionName, string>>;
  readonly norms: Partial<Record<FunctionName, string>>;
  readonly operator: (fn: FunctionName) => string;
  /** An operator with its last arguments below it. */
  readonly indexed: (fn: FunctionName, under: readonly string[]) => string | undefined;
  readonly over: (operator: string, axis: string) => string;
  /** An operator in front of its bracketed arguments. */
  readonly applied: (operator: string, args: readonly string[]) => string;
}
/** The spec's own name of a size, where it has one. */
export type DimName = (d: Dim) => string | undefined;

interface Piece {
  readonly text: string;
  readonly level: number;
  /** Ends in a sum over an index, whose reach has no visible end. */
  readonly open?: boolean;
}
const atom = (text: string): Piece => ({ text, level: level.atom });

export class Typesetter {
  /** `budget` bounds the count of nodes visited, as in `showExpr`; what is beyond it is left out. */
  constructor(private readonly notation: Notation, private readonly dim: DimName | undefined, private budget: number) {}

  text(e: Expr): string {
    return this.render(e).text;
  }
  /** The terms of a sum apart; an expression that is none is one term. */
  terms(e: Expr): readonly SignedText[] {
    return e.kind === "sum" ? this.signed(e) : [{ negative: false, body: this.text(e) }];
  }
  private wrap(t: Piece, least: number, last = false): string {
    return t.level < least || (t.open && !last) ? this.notation.brackets(t.text) : t.text;
  }
  private render(e: Expr): Piece {
    this.budget -= 1;
    if (this.budget < 0) return atom(this.notation.dots);
    const n = this.notation;
    switch (e.kind) {
      case "number": case "product": return this.product(e);
      case "symbol": return atom(n.name(e.name, e.member ? [this.index(e.member)] : []));
      case "identity": return atom(n.identity);
      case "zero": return atom(n.zero);
      case "ones": return this.ones(e);
      case "sum": return { text: n.sum(this.signed(e)), level: level.sum };
      case "transpose": return this.raised(e.arg, n.transposed);
      case "inverse": return e.arg.kind === "transpose" ? this.raised(e.arg.arg, n.inverseTransposed) : this.raised(e.arg, n.inverse);
      case "indexSum": return { text: n.sumOver(n.name(e.index, []), this.wrap(this.render(e.body), level.product, true)), level: level.product, open: true };
      case "slice": return this.slice(e);
      case "apply": return this.apply(e);
    }
  }
  private raised(base: Expr, exponent: string): Piece {
    return { text: this.notation.raise(this.wrap(this.render(base), level.application), exponent), level: level.power };
  }
  private index(t: IndexTerm): string {
    return t.kind === "number" ? this.notation.digits(t.value) : this.notation.name(t.name, []);
  }
  private size(dim: Dim): string {
    const named = this.dim?.(dim);
    return named !== undefined && /^[\p{L}_][\p{L}\p{N}_]*$/u.test(named) ? this.notation.name(named, []) : this.text(dimExpr(dim));
  }
  private ones(e: ConstantExpr): Piece {
    const n = this.notation;
    const [rows, cols] = e.shape as readonly [Dim, Dim];
    if (isOne(cols)) return atom(n.ones(this.size(rows)));
    const row = n.raise(n.ones(this.size(cols)), n.transposed);
    return isOne(rows) ? { text: row, level: level.power } : { text: n.juxtaposed([n.ones(this.size(rows)), row]), level: level.product };
  }
  private slice(e: SliceExpr): Piece {
    const n = this.notation;
    const range = (r: Range | undefined): string =>
      !r ? n.whole : r.from.key === r.to.key ? this.size(r.from) : n.range(this.size(r.from), this.size(r.to));
    const bare = e.arg.kind === "symbol" && !e.arg.member && n.takesBelow(e.arg.name);
    const text = this.text(e.arg);
    return atom(n.below(bare ? text : n.squareBrackets(text), n.list([range(e.rows), range(e.cols)])));
  }

  // -------------------------------------------------------------- sums and products
  private signed(e: SumExpr): readonly SignedText[] {
    const terms = readingOrder(e);
    return terms.map(({ term, negative, spread }, i) => ({ negative, body: this.wrap(this.unsigned(term, spread), level.product, i === terms.length - 1) }));
  }
  private unsigned(term: Expr, spread: boolean): Piece {
    if (term.kind === "ones" && spread) return this.render(number(1));
    if (term.kind !== "product" && term.kind !== "number") return this.render(term);
    const layout = productLayout(term);
    return this.layout(spread ? { ...layout, factors: [] } : layout);
  }
  private product(e: ProductExpr | NumberExpr): Piece {
    const layout = productLayout(e);
    const t = this.layout(layout);
    return layout.negative ? { ...t, text: this.notation.negated(this.wrap(t, level.product, true)), level: level.sum } : t;
  }
  private layout(p: ProductLayout): Piece {
    const [only] = p.factors;
    if (p.factors.length === 1 && only && isDivision(only)) {
      return this.hadamard([only], this.wrap(this.layout({ ...p, factors: [] }), level.product));
    }
    const alone = p.factors.length === 0;
    const loose = alone ? p.over.findLast((s) => s.exponent === 1 && (s.base.kind === "indexSum" || s.base.kind === "product")) : undefined;
    const over = p.over.filter((s) => s !== loose);
    const tail = loose ? this.render(loose.base) : alone ? undefined : this.factors(p.factors);
    const front = this.front(p, over, tail);
    if (!tail || front?.level === level.atom) return front ?? atom(this.notation.digits(1));
    if (!front) return tail;
    return { text: this.notation.juxtaposed([front.text, this.wrap(tail, level.product, true)]), level: level.product, open: tail.open === true };
  }
  /** The scalars in front of the factors, as a fraction where some are below; with an atom's level where it has taken the factors in. */
  private front(p: ProductLayout, over: readonly Power[], tail: Piece | undefined): Piece | undefined {
    const n = this.notation;
    const coefficient = n.number(p.coefficient);
    const numbered = p.coefficient !== 1;
    if (p.divisor !== 1 || p.under.length > 0) {
      const inside = numbered && !coefficient.compound ? [coefficient.text] : [];
      const outside = numbered && coefficient.compound ? [coefficient.text] : [];
      const under = this.besideBar(p.divisor === 1 ? [] : [n.digits(p.divisor)], p.under);
      if (tail && !tail.open && inside.length + over.length + outside.length === 0) return atom(n.fraction(tail.text, under, true));
      return { text: n.juxtaposed([...outside, n.fraction(this.besideBar(inside, over) || n.digits(1), under, false)]), level: level.product };
    }
    if (over.length === 0) {
      if (!numbered && tail) return undefined;
      return { text: coefficient.text, level: tail || coefficient.compound ? level.product : level.atom };
    }
    const text = n.juxtaposed([...(numbered ? [coefficient.text] : []), ...over.map((s) => this.power(s))]);
    const [first] = over;
    return { text, level: !numbered && over.length === 1 && first && first.exponent !== 1 ? level.power : level.product };
  }
  /** One side of a fraction's bar: what stands there alone needs no brackets; "" where nothing does. */
  private besideBar(numbers: readonly string[], powers: readonly Power[]): string {
    const [only] = powers;
    if (numbers.length === 0 && powers.length === 1 && only?.exponent === 1) return this.text(only.base);
    const parts = [...numbers, ...powers.map((s) => this.power(s))];
    return parts.length === 0 ? "" : this.notation.juxtaposed(parts);
  }
  private power({ base, exponent }: Power): string {
    const t = this.render(base);
    return exponent === 1 ? this.wrap(t, level.power) : this.notation.raise(this.wrap(t, level.atom), this.notation.number(exponent).text);
  }
  private factors(factors: readonly Expr[]): Piece {
    const [only] = factors;
    if (factors.length === 1 && only) {
      const t = this.render(only);
      return t.level >= level.product ? t : atom(this.notation.brackets(t.text));
    }
    const parts = factors.map((f, i) => {
      const t = this.render(f);
      const open = t.open === true && i === factors.length - 1;
      return { text: this.wrap(t, t.open ? level.product : level.power, open), open };
    });
    return { text: this.notation.juxtaposed(parts.map((t) => t.text)), level: level.product, open: parts.at(-1)?.open === true };
  }

  // -------------------------------------------------------------- entry by entry
  private hadamard(args: readonly Expr[], front = this.notation.digits(1)): Piece {
    const parts = entrywiseLayout(args);
    const over = parts.over.map((a) => this.wrap(this.render(a), level.power));
    const under = parts.under.map((d) =>
      (d.exponent === 1 ? this.wrap(this.render(d.base), level.power) : this.entrywisePower(d.base, this.notation.number(d.exponent).text).text));
    return { text: this.notation.entrywise(over.length > 0 ? over : [front], under), level: level.product };
  }
  private entrywisePower(base: Expr, exponent: string): Piece {
    const n = this.notation;
    return { text: n.raise(this.wrap(this.render(base), level.atom), isScalar(base) ? exponent : n.entrywiseExponent(exponent)), level: level.power };
  }

  // -------------------------------------------------------------- functions
  private apply(e: ApplyExpr): Piece {
    const n = this.notation;
    const [a, b] = e.args;
    if (!a) return atom(n.operator(e.fn));
    const text = this.text(a);
    const norm = n.norms[e.fn], sign = n.comparisons[e.fn];
    if (norm !== undefined) return atom(n.norm(text, norm));
    if (sign !== undefined && b) return atom(n.compared(text, sign, this.text(b)));
    const euclidean = isOne(colsOf(a)) ? n.two : n.frobenius;
    switch (e.fn) {
      case "norm2": return atom(n.norm(text, euclidean));
      case "sq_norm": return { text: n.squaredNorm(text, euclidean), level: level.power };
      case "sqrt": return atom(n.root(text));
      case "abs": return atom(n.bars(text));
      case "hadamard": return this.hadamard(e.args);
      case "power":
        if (divisorOf(e)) return this.hadamard([e]);
        return b ? this.entrywisePower(a, this.text(b)) : atom(text);
      case "remainder": return { text: n.remainder(this.wrap(this.render(a), level.product), b ? this.wrap(this.render(b), level.power) : ""), level: level.product };
      default: break;
    }
    if (e.family) return this.family(e.family, a);
    const indexed = n.indexed(e.fn, e.args.slice(1).map((x) => this.text(x)));
    if (indexed !== undefined) return this.application(indexed, [text]);
    const over = e.options["over"];
    const operator = n.operator(e.fn);
    return this.application(typeof over === "string" ? n.over(operator, over) : operator, e.args.map((x) => this.text(x)));
  }
  private application(operator: string, args: readonly string[]): Piece {
    return { text: this.notation.applied(operator, args), level: level.application };
  }
  /** `softmax` over k of the member at k. A member elsewhere is shown over that index. */
  private family({ index, at }: NonNullable<ApplyExpr["family"]>, arg: Expr): Piece {
    const n = this.notation;
    const operator = (t: IndexTerm): string => n.below(n.operator("softmax"), this.index(t));
    if (at.kind === "variable") return this.application(operator(at), [this.text(renameFreeIndex(arg, index, at))]);
    const whole = this.application(operator({ kind: "variable", name: index }), [this.text(arg)]);
    return atom(n.below(n.squareBrackets(whole.text), n.digits(at.value)));
  }
}
