/** An expression as MathML Core, in the notation of the papers; nothing but a browser is needed to typeset it. */
import type { Expr } from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";
import { numberText, shownName } from "../expression/reading.js";
import { escapeHtml } from "./escape.js";
import { type DimName, type Notation, Typesetter } from "./typeset.js";

export type { DimName } from "./typeset.js";

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

// ---------------------------------------------------------------- signs
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
/** A dot between digits, a thin space beside words. */
function juxtaposed(parts: readonly string[]): string {
  const word = /<mi>[^<]{2,}<\/mi>$/;
  const wordFirst = /^(?:<m(?:row|sub|sup|subsup|under)>)*<mi>[^<]{2,}<\/mi>/;
  return mrow(...parts.flatMap((part, i) => {
    if (i === 0) return [part];
    if (/^<mn>\d/.test(part)) return [mo("·"), part];
    return word.test(parts[i - 1] as string) || wordFirst.test(part) ? [thin, part] : [times, part];
  }));
}
const minus = mo("−", " form='prefix'");
const separated = (parts: readonly string[], sign: string): readonly string[] => parts.flatMap((x, i) => (i === 0 ? [x] : [mo(sign), x]));
const norm = (text: string): string => fenced("‖", text, "‖");
const mathml: Notation = {
  name: mathName,
  takesBelow: () => true,
  number: mathNumber,
  digits: (value) => mn(String(value)),
  identity: mi("I"), zero: mn("0"), dots: mo("…"), whole: mo(":"), transposed: mo("⊤"), inverse: mrow(minus, mn("1")), inverseTransposed: mrow(minus, mo("⊤")),
  two: mn("2"), frobenius: mi("F"),
  ones: (size) => msub("<mn>𝟏</mn>", size),
  raise: msup,
  below: msub,
  fraction: mfrac,
  root: (text) => `<msqrt>${text}</msqrt>`,
  brackets,
  squareBrackets: (text) => fenced("[", text, "]"),
  bars: (text) => fenced("|", text, "|"),
  norm: (text, under) => msub(norm(text), under),
  squaredNorm: (text, under) => `<msubsup>${norm(text)}${under}${mn("2")}</msubsup>`,
  sum: (terms) => mrow(...terms.flatMap(({ negative, body }, i) => (i > 0 ? [mo(negative ? "−" : "+"), body] : negative ? [minus, body] : [body]))),
  negated: (text) => mrow(minus, text),
  juxtaposed,
  list: (parts) => mrow(...separated(parts, ",")),
  range: (from, to) => mrow(from, mo(":"), to),
  sumOver: (index, body) => mrow(`<munder>${mo("∑")}${index}</munder>`, body),
  entrywise: (over, under) => mrow(...separated(over, "⊙"), ...under.flatMap((x) => [mo("⊘"), x])),
  entrywiseExponent: (exponent) => mrow(mo("⊙"), exponent),
  remainder: (a, b) => mrow(a, thin, mi("mod"), thin, b),
  compared: (a, sign, b) => fenced("[", mrow(a, mo(sign), b), "]"),
  comparisons: { equal: "=", less: "<", less_equal: "≤", greater: ">", greater_equal: "≥" },
  norms: { norm0: mn("0"), norm1: mn("1"), norm21: mrow(mn("2"), mo(","), mn("1")), norm_nuc: mo("∗"), norm_spec: mn("2"), norm_inf: mn("∞") },
  operator: (fn) => operators[fn] ?? mi(fn),
  indexed: (fn, under) => indexedOperators[fn]?.(under),
  over: (operator, axis) => msub(operator, mi(axis)),
  applied: (operator, args) => mrow(operator, brackets(mrow(...separated(args, ",")))),
};

/** The inside of a `math` element. `dim`: the spec's own name of a size, where it has one. */
export function mathExpr(e: Expr, dim?: DimName, budget = 20_000): string {
  return new Typesetter(mathml, dim, budget).text(e);
}
/** The terms of a sum apart, each with its sign, so that a page can break lines between them. */
export function mathTerms(e: Expr, dim?: DimName, budget = 20_000): readonly string[] {
  return new Typesetter(mathml, dim, budget).terms(e)
    .map(({ negative, body }, i) => (i === 0 && !negative ? body : mrow(mo(negative ? "−" : "+", " form='infix'"), body)));
}
