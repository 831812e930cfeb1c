/** An expression as LaTeX mathematics, in the notation of the papers. Needs amsmath. */
import type { Expr } from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";
import { escapeLatex, latexName, latexNumber } from "./latex-name.js";
import { type DimName, type Notation, Typesetter } from "./typeset.js";

/** An operator's sign in front of its bracketed arguments. */
const operators: Partial<Record<FunctionName, string>> = {
  logdet: "\\log\\det", log: "\\log", exp: "\\exp", tanh: "\\tanh", max: "\\max", min: "\\min", trace: "\\operatorname{tr}",
  relu: "\\operatorname{ReLU}", gelu: "\\operatorname{GELU}", project_simplex: "\\operatorname{proj}_{\\Delta}",
  nonnegative: "\\iota_{\\ge 0}", simplex: "\\iota_{\\Delta}", orthonormal: "\\iota_{\\mathrm{St}}", prox: "",
};
/** The last arguments stand below the sign: S with threshold c. */
const indexedOperators: Partial<Record<FunctionName, (under: readonly string[]) => string>> = {
  soft_threshold: ([c]) => `\\operatorname{soft}_{${c}}`,
  hard_threshold: ([c]) => `\\operatorname{hard}_{${c}}`,
  huber: ([delta]) => `\\operatorname{huber}_{${delta}}`,
  singular_soft_threshold: ([c]) => `\\operatorname{svt}_{${c}}`,
  box: ([lower, upper]) => `\\iota_{[${lower}, ${upper}]}`,
  ball: ([radius]) => `\\iota_{\\lVert\\cdot\\rVert \\le ${radius}}`,
  sphere: ([radius]) => `\\iota_{\\lVert\\cdot\\rVert = ${radius}}`,
};
const brackets = (text: string): string => `\\left(${text}\\right)`;
const norm = (text: string, under: string): string => `\\left\\lVert ${text} \\right\\rVert_${under}`;
function named(name: string, members: readonly string[]): string {
  const { head, below } = latexName(name);
  const all = [...below, ...members];
  return all.length === 0 ? head : `${head}_{${all.join(", ")}}`;
}
/** A thin space where words would run together, a dot between digits. */
function juxtaposed(parts: readonly string[]): string {
  return parts.reduce((text, part) => {
    if (text === "") return part;
    if (/^\d/.test(part)) return `${text} \\cdot ${part}`;
    return /\\(mathit|text)\{[^{}]*\}\S*$/.test(text) || /^\\(mathit|text)\{/.test(part) ? `${text} \\, ${part}` : `${text} ${part}`;
  }, "");
}
const latex: Notation = {
  name: named,
  takesBelow: (name) => latexName(name).below.length === 0,
  number: latexNumber,
  digits: String,
  identity: "I", zero: "0", dots: "\\dots", whole: ":", transposed: "\\top", inverse: "-1", inverseTransposed: "-\\top", two: "2", frobenius: "F",
  ones: (size) => `\\mathbf{1}_{${size}}`,
  raise: (base, exponent) => `${base}^{${exponent}}`,
  below: (base, under) => `${base}_{${under}}`,
  fraction: (over, under, large) => `\\${large ? "frac" : "tfrac"}{${over}}{${under}}`,
  root: (text) => `\\sqrt{${text}}`,
  brackets,
  squareBrackets: (text) => `\\left[${text}\\right]`,
  bars: (text) => `\\left\\lvert ${text} \\right\\rvert`,
  norm,
  squaredNorm: (text, under) => `${norm(text, under)}^2`,
  sum: (terms) => terms.map(({ negative, body }, i) => (i === 0 ? `${negative ? "-" : ""}${body}` : ` ${negative ? "-" : "+"} ${body}`)).join(""),
  negated: (text) => `-${text}`,
  juxtaposed,
  list: (parts) => parts.join(", "),
  range: (from, to) => `${from}:${to}`,
  sumOver: (index, body) => `\\sum_{${index}} ${body}`,
  entrywise: (over, under) => [over.join(" \\odot "), ...under].join(" \\oslash "),
  entrywiseExponent: (exponent) => `\\odot ${exponent}`,
  remainder: (a, b) => `${a} \\bmod ${b}`,
  compared: (a, sign, b) => `\\left[${a} ${sign} ${b}\\right]`,
  comparisons: { equal: "=", less: "<", less_equal: "\\le", greater: ">", greater_equal: "\\ge" },
  norms: { norm0: "{0}", norm1: "{1}", norm21: "{2,1}", norm_nuc: "{*}", norm_spec: "{2}", norm_inf: "{\\infty}" },
  operator: (fn) => operators[fn] ?? `\\operatorname{${escapeLatex(fn)}}`,
  indexed: (fn, under) => indexedOperators[fn]?.(under),
  over: (operator, axis) => `${operator}_{\\mathrm{${escapeLatex(axis)}}}`,
  applied: (operator, args) => operator + brackets(args.join(", ")),
};

/** `dim`: the spec's own name of a size, where it has one. */
export function latexExpr(e: Expr, budget = 50_000, dim?: DimName): string {
  return new Typesetter(latex, dim, budget).text(e);
}
