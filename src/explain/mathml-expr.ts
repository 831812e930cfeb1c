/** An expression as MathML Core, in the notation of the papers; nothing but a browser is needed to typeset it. */
import { type Dim, isOne } from "../expression/dim.js";
import {
  type ApplyExpr, type ConstantExpr, colsOf, dimExpr, type Expr, type IndexTerm, isScalar, number, type NumberExpr, type Power,
  type ProductExpr, type Range, renameFreeIndex, type SliceExpr, type SumExpr, type SymbolExpr,
} from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";
import {
  divisorOf, entrywiseLayout, isDivision, numberText, productLayout, type ProductLayout, readingOrder, shownName,
} from "../expression/reading.js";
import { escapeHtml } from "./escape.js";

const level = { sum: 2, product: 3, power: 5, application: 5.5, atom: 6 } as const;
interface Piece {
  readonly text: string;
  readonly level: number;
  /** Ends in a sum over an index, whose reach has no visible end. */
  readonly open?: boolean;
}
/** `dim`: the spec's own name of a size, where it has one. */
type Render = ((e: Expr) => Piece) & { readonly dim?: DimName };
export type DimName = (d: Dim) => string | undefined;

// ---------------------------------------------------------------- elements
export const mi = (text: string): string => `<mi>${escapeHtml(text)}</mi>`;
export const mn = (text: string): string => `<mn>${escapeHtml(text)}</mn>`;
export const mo = (text: string, attributes = ""): string => `<mo${attributes}>${escapeHtml(text)}</mo>`;
export const mrow = (...parts: readonly string[]): string => (parts.length === 1 ? (parts[0] as string) : `<mrow>${parts.join("")}</mrow>`);
const msub = (base: string, under: string): string => `<msub>${base}${under}</msub>`;
const msup = (base: string, over: string): string => `<msup>${base}${over}</msup>`;
const mfrac = (over: string, under: string): string => `<mfrac>${over}${under}</mfrac>`;
const thin = "<mspace width='0.17em'/>";
/** No operator stands between factors, and screen readers still hear the product. */
const times = "<mo>&#8290;</mo>";
const atom = (text: string): Piece => ({ text, level: level.atom });
const fenced = (open: string, text: string, close: string): string => mrow(mo(open, " stretchy='true'"), text, mo(close, " stretchy='true'"));
const brackets = (text: string): string => fenced("(", text, ")");

// ---------------------------------------------------------------- names
const greek: Readonly<Record<string, string>> = {
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ϵ", eps: "ε", zeta: "ζ", eta: "η", theta: "θ", iota: "ι", kappa: "κ", lambda: "λ", mu: "μ",
  nu: "ν", xi: "ξ", pi: "π", rho: "ρ", sigma: "σ", tau: "τ", upsilon: "υ", phi: "ϕ", chi: "χ", psi: "ψ", omega: "ω", ell: "ℓ",
  Gamma: "Γ", Delta: "Δ", Theta: "Θ", Lambda: "Λ", Xi: "Ξ", Pi: "Π", Sigma: "Σ", Phi: "Φ", Psi: "Ψ", Omega: "Ω",
};
const letter = (word: string): string => (Object.hasOwn(greek, word) ? (greek[word] as string) : word);
const isSingle = (word: string): boolean => Object.hasOwn(greek, word) || [...word].length === 1;
/** `W_out` is W with out below, `Z0` Z with 0; words stand upright as they are. */
export function mathName(name: string, members: readonly string[] = []): string {
  const [first = "", ...rest] = shownName(name).split("_");
  const numbered = /^(.*?\D)(\d+)$/su.exec(first);
  const split = rest.every((r) => r !== "");
  const [head, below] = split && numbered?.[1] && numbered[2] && isSingle(numbered[1]) ? [numbered[1], [mn(numbered[2]), ...rest.map((r) => mi(letter(r)))]]
    : split && isSingle(first) ? [first, rest.map((r) => mi(letter(r)))] : [shownName(name), []];
  const all = [...below, ...members];
  const base = mi(letter(head));
  return all.length === 0 ? base : msub(base, mrow(...all.flatMap((x, i) => (i === 0 ? [x] : [mo(","), x]))));
}
function mathNumber(value: number): { readonly text: string; readonly compound: boolean } {
  if (!Number.isFinite(value)) return { text: Number.isNaN(value) ? mi("NaN") : value > 0 ? mn("∞") : mrow(mo("−"), mn("∞")), compound: value < 0 };
  if (value === 0.5 || value === 0.25) return { text: mfrac(mn("1"), mn(String(1 / value))), compound: true };
  const [mantissa = "", exponent] = numberText(Math.abs(value)).split("e");
  const sign = value < 0 ? [mo("−", " form='prefix'")] : [];
  if (exponent === undefined) return { text: mrow(...sign, mn(mantissa)), compound: value < 0 };
  const ten = msup(mn("10"), Number(exponent) < 0 ? mrow(mo("−", " form='prefix'"), mn(exponent.slice(1))) : mn(exponent));
  return { text: mrow(...sign, ...(mantissa === "1" ? [] : [mn(mantissa), mo("·")]), ten), compound: true };
}

/** `budget` bounds the count of nodes visited, as in `showExpr`; what is beyond it is an ellipsis. */
function renderer(budget: number, dim: DimName | undefined): Render {
  let left = budget;
  const visit = (x: Expr): Piece => {
    left -= 1;
    return left < 0 ? atom(mo("…")) : renderNode(x, render);
  };
  const render: Render = dim ? Object.assign(visit, { dim }) : visit;
  return render;
}
/** The inside of a `math` element. */
export function mathExpr(e: Expr, dim?: DimName, budget = 20_000): string {
  return renderer(budget, dim)(e).text;
}
/** The terms of a sum apart, each with its sign, so that a page can break lines between them. */
export function mathTerms(e: Expr, dim?: DimName, budget = 20_000): readonly string[] {
  const render = renderer(budget, dim);
  if (e.kind !== "sum") return [render(e).text];
  return readingOrder(e).map(({ term, negative, spread }, i) => {
    const body = wrap(renderUnsigned(term, render, spread), level.product, i === e.terms.length - 1);
    return i === 0 && !negative ? body : mrow(mo(negative ? "−" : "+", " form='infix'"), body);
  });
}

function wrap(t: Piece, least: number, last = false): string {
  return t.level < least || (t.open && !last) ? brackets(t.text) : t.text;
}
function renderNode(e: Expr, render: Render): Piece {
  switch (e.kind) {
    case "number": case "product": return renderProduct(e, render);
    case "symbol": return atom(symbolText(e));
    case "identity": return atom(mi("I"));
    case "zero": return atom(mn("0"));
    case "ones": return renderOnes(e, render);
    case "sum": return renderSum(e, render);
    case "transpose": return raised(e.arg, mo("⊤"), render);
    case "inverse": return e.arg.kind === "transpose" ? raised(e.arg.arg, mrow(mo("−", " form='prefix'"), mo("⊤")), render) : raised(e.arg, mrow(mo("−", " form='prefix'"), mn("1")), render);
    case "indexSum":
      return { text: mrow(`<munder>${mo("∑")}${indexText({ kind: "variable", name: e.index })}</munder>`, wrap(render(e.body), level.product, true)), level: level.product, open: true };
    case "slice": return renderSlice(e, render);
    case "apply": return renderApply(e, render);
  }
}
function raised(base: Expr, exponent: string, render: Render): Piece {
  return { text: msup(wrap(render(base), level.application), exponent), level: level.power };
}
const indexText = (t: IndexTerm): string => (t.kind === "number" ? mn(String(t.value)) : mathName(t.name));
const symbolText = (e: SymbolExpr): string => mathName(e.name, e.member ? [indexText(e.member)] : []);
function dimText(dim: Dim, render: Render): string {
  const named = render.dim?.(dim);
  return named !== undefined && /^[\p{L}_][\p{L}\p{N}_]*$/u.test(named) ? mathName(named) : render(dimExpr(dim)).text;
}

function renderOnes(e: ConstantExpr, render: Render): Piece {
  const [rows, cols] = e.shape as readonly [Dim, Dim];
  const bold = (d: Dim): string => msub("<mn>𝟏</mn>", dimText(d, render));
  const row = msup(bold(cols), mo("⊤"));
  if (isOne(cols)) return atom(bold(rows));
  return isOne(rows) ? { text: row, level: level.power } : { text: mrow(bold(rows), row), level: level.product };
}
function renderSlice(e: SliceExpr, render: Render): Piece {
  const range = (r: Range | undefined): string =>
    !r ? mo(":") : r.from.key === r.to.key ? dimText(r.from, render) : mrow(dimText(r.from, render), mo(":"), dimText(r.to, render));
  const { text } = render(e.arg);
  return atom(msub(e.arg.kind === "symbol" && !e.arg.member ? text : fenced("[", text, "]"), mrow(range(e.rows), mo(","), range(e.cols))));
}

// ---------------------------------------------------------------- sums and products
function renderSum(e: SumExpr, render: Render): Piece {
  const terms = readingOrder(e);
  const parts = terms.flatMap(({ term, negative, spread }, i) => {
    const body = wrap(renderUnsigned(term, render, spread), level.product, i === terms.length - 1);
    if (i === 0) return negative ? [mo("−", " form='prefix'"), body] : [body];
    return [mo(negative ? "−" : "+"), body];
  });
  return { text: mrow(...parts), level: level.sum };
}
function renderUnsigned(term: Expr, render: Render, spread: boolean): Piece {
  if (term.kind === "ones" && spread) return render(number(1));
  if (term.kind !== "product" && term.kind !== "number") return render(term);
  const layout = productLayout(term);
  return renderLayout(spread ? { ...layout, factors: [] } : layout, render);
}
function renderProduct(e: ProductExpr | NumberExpr, render: Render): Piece {
  const layout = productLayout(e);
  const t = renderLayout(layout, render);
  return layout.negative ? { ...t, text: mrow(mo("−", " form='prefix'"), wrap(t, level.product, true)), level: level.sum } : t;
}
/** Factors side by side; a dot between digits, a thin space beside words. */
function juxtapose(parts: readonly string[]): string {
  const word = /<mi>[^<]{2,}<\/mi>$/;
  const wordFirst = /^(?:<m(?:row|sub|sup|subsup|under)>)*<mi>[^<]{2,}<\/mi>/;
  return mrow(...parts.flatMap((part, i) => {
    if (i === 0) return [part];
    if (/^<mn>\d/.test(part)) return [mo("·"), part];
    return word.test(parts[i - 1] as string) || wordFirst.test(part) ? [thin, part] : [times, part];
  }));
}
function renderLayout(p: ProductLayout, render: Render): Piece {
  const [only] = p.factors;
  if (p.factors.length === 1 && only && isDivision(only)) {
    return renderHadamard([only], render, wrap(renderLayout({ ...p, factors: [] }, render), level.product));
  }
  const alone = p.factors.length === 0;
  const loose = alone ? p.over.findLast((s) => s.exponent === 1 && (s.base.kind === "indexSum" || s.base.kind === "product")) : undefined;
  const over = p.over.filter((s) => s !== loose);
  const tail = loose ? render(loose.base) : alone ? undefined : renderFactors(p.factors, render);
  const front = renderFront(p, over, tail, render);
  if (!tail || front?.level === level.atom) return front ?? atom(mn("1"));
  if (!front) return tail;
  return { text: juxtapose([front.text, wrap(tail, level.product, true)]), level: level.product, open: tail.open === true };
}
/** The scalars in front of the factors, as a fraction where some are below; with an atom's level where it has taken the factors in. */
function renderFront(p: ProductLayout, over: readonly Power[], tail: Piece | undefined, render: Render): Piece | undefined {
  const coefficient = mathNumber(p.coefficient);
  const numbered = p.coefficient !== 1;
  const under = [...(p.divisor === 1 ? [] : [mn(String(p.divisor))]), ...p.under.map((s) => renderPower(s, render))];
  if (under.length > 0) {
    const decimal = numbered && coefficient.compound ? [coefficient.text] : [];
    const top = [...(numbered && !coefficient.compound ? [coefficient.text] : []), ...over.map((s) => renderPower(s, render))];
    if (tail && !tail.open && top.length === 0 && decimal.length === 0) return atom(mfrac(tail.text, juxtapose(under)));
    return { text: juxtapose([...decimal, mfrac(top.length === 0 ? mn("1") : juxtapose(top), juxtapose(under))]), level: level.product };
  }
  if (over.length === 0) {
    if (!numbered && tail) return undefined;
    return { text: coefficient.text, level: tail || coefficient.compound ? level.product : level.atom };
  }
  const text = juxtapose([...(numbered ? [coefficient.text] : []), ...over.map((s) => renderPower(s, render))]);
  const [first] = over;
  return { text, level: !numbered && over.length === 1 && first && first.exponent !== 1 ? level.power : level.product };
}
function renderPower({ base, exponent }: Power, render: Render): string {
  const t = render(base);
  return exponent === 1 ? wrap(t, level.power) : msup(wrap(t, level.atom), mathNumber(exponent).text);
}
function renderFactors(factors: readonly Expr[], render: Render): Piece {
  const [only] = factors;
  if (factors.length === 1 && only) {
    const t = render(only);
    return t.level >= level.product ? t : atom(brackets(t.text));
  }
  const parts = factors.map((f, i) => {
    const t = render(f);
    const open = t.open === true && i === factors.length - 1;
    return { text: wrap(t, t.open ? level.product : level.power, open), open };
  });
  return { text: juxtapose(parts.map((t) => t.text)), level: level.product, open: parts.at(-1)?.open === true };
}

// ---------------------------------------------------------------- entry by entry
function renderHadamard(args: readonly Expr[], render: Render, front = mn("1")): Piece {
  const parts = entrywiseLayout(args);
  const over = parts.over.map((a) => wrap(render(a), level.power));
  const under = parts.under.map((d) => (d.exponent === 1 ? wrap(render(d.base), level.power) : entrywisePower(d.base, mathNumber(d.exponent).text, render).text));
  const top = over.length === 0 ? [front] : over.flatMap((x, i) => (i === 0 ? [x] : [mo("⊙"), x]));
  return { text: mrow(...top, ...under.flatMap((x) => [mo("⊘"), x])), level: level.product };
}
function entrywisePower(base: Expr, exponent: string, render: Render): Piece {
  return { text: msup(wrap(render(base), level.atom), isScalar(base) ? exponent : mrow(mo("⊙"), exponent)), level: level.power };
}

// ---------------------------------------------------------------- functions
const operators: Partial<Record<FunctionName, string>> = {
  logdet: `${mi("log")}${thin}${mi("det")}`, trace: mi("tr"), relu: mi("ReLU"), gelu: mi("GELU"), nonnegative: msub(mi("ι"), mrow(mo("≥"), mn("0"))),
  simplex: msub(mi("ι"), mi("Δ")), orthonormal: msub(mi("ι"), mi("St")), project_simplex: msub(mi("proj"), mi("Δ")), prox: "",
};
/** The last arguments stand below the sign: soft with its threshold. */
const indexedOperators: Partial<Record<FunctionName, (under: readonly string[]) => string>> = {
  soft_threshold: ([c = ""]) => msub(mi("soft"), c), hard_threshold: ([c = ""]) => msub(mi("hard"), c), huber: ([delta = ""]) => msub(mi("huber"), delta),
  singular_soft_threshold: ([c = ""]) => msub(mi("svt"), c), box: ([lower = "", upper = ""]) => msub(mi("ι"), mrow(mo("["), lower, mo(","), upper, mo("]"))),
  ball: ([radius = ""]) => msub(mi("ι"), mrow(mo("≤"), radius)), sphere: ([radius = ""]) => msub(mi("ι"), mrow(mo("="), radius)),
};
const norms: Partial<Record<FunctionName, string>> = {
  norm0: mn("0"), norm1: mn("1"), norm21: mrow(mn("2"), mo(","), mn("1")), norm_nuc: mo("∗"), norm_spec: mn("2"), norm_inf: mn("∞"),
};
const comparisonSigns: Partial<Record<FunctionName, string>> = { equal: "=", less: "<", less_equal: "≤", greater: ">", greater_equal: "≥" };

function renderApply(e: ApplyExpr, render: Render): Piece {
  const [a, b] = e.args;
  if (!a) return atom(mi(e.fn));
  const text = render(a).text;
  const norm = norms[e.fn];
  const sign = comparisonSigns[e.fn];
  if (norm) return atom(msub(fenced("‖", text, "‖"), norm));
  if (sign && b) return atom(fenced("[", mrow(text, mo(sign), render(b).text), "]"));
  switch (e.fn) {
    case "norm2": return atom(msub(fenced("‖", text, "‖"), euclidean(a)));
    case "sq_norm": return { text: `<msubsup>${fenced("‖", text, "‖")}${euclidean(a)}${mn("2")}</msubsup>`, level: level.power };
    case "sqrt": return atom(`<msqrt>${text}</msqrt>`);
    case "abs": return atom(fenced("|", text, "|"));
    case "hadamard": return renderHadamard(e.args, render);
    case "power":
      if (divisorOf(e)) return renderHadamard([e], render);
      return b ? entrywisePower(a, render(b).text, render) : atom(text);
    case "remainder": return { text: mrow(wrap(render(a), level.product), thin, mi("mod"), thin, wrap(b ? render(b) : atom(""), level.power)), level: level.product };
    default: break;
  }
  if (e.family) return renderFamily(e.family, a, render);
  const indexed = indexedOperators[e.fn];
  if (indexed) return application(indexed(e.args.slice(1).map((x) => render(x).text)), [text]);
  const over = e.options["over"];
  const operator = operators[e.fn] ?? mi(e.fn);
  return application(typeof over === "string" ? msub(operator, mi(over)) : operator, e.args.map((x) => render(x).text));
}
const euclidean = (e: Expr): string => (isOne(colsOf(e)) ? mn("2") : mi("F"));
function application(operator: string, args: readonly string[]): Piece {
  return { text: mrow(operator, brackets(mrow(...args.flatMap((a, i) => (i === 0 ? [a] : [mo(","), a]))))), level: level.application };
}
/** `softmax` over k of the member at k. A member elsewhere is shown over that index. */
function renderFamily({ index, at }: NonNullable<ApplyExpr["family"]>, arg: Expr, render: Render): Piece {
  const operator = (t: IndexTerm): string => msub(mi("softmax"), indexText(t));
  if (at.kind === "variable") return application(operator(at), [render(renameFreeIndex(arg, index, at)).text]);
  const whole = application(operator({ kind: "variable", name: index }), [render(arg).text]);
  return atom(msub(fenced("[", whole.text, "]"), mn(String(at.value))));
}
