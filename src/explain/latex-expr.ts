/** An expression as LaTeX mathematics, in the notation of the papers. Needs amsmath. */
import { type Dim, dimSymbol, isOne, showDim } from "../expression/dim.js";
import {
  type ApplyExpr, type ConstantExpr, colsOf, dimExpr, type Expr, type IndexTerm, isScalar, number, type NumberExpr, type Power,
  type ProductExpr, type Range, renameFreeIndex, type SliceExpr, type SumExpr, type SymbolExpr,
} from "../expression/expr.js";
import type { FunctionName } from "../expression/functions.js";
import {
  divisorOf, entrywiseLayout, isDivision, productLayout, type ProductLayout, readingOrder,
} from "../expression/reading.js";
import { escapeLatex, latexName, latexNumber } from "./latex-name.js";

const level = { sum: 2, product: 3, power: 5, application: 5.5, atom: 6 } as const;

interface Latex {
  readonly text: string;
  readonly level: number;
  /** Ends in a sum over an index, whose reach has no visible end. */
  readonly open?: boolean;
}
type Render = (e: Expr) => Latex;

/** `budget` bounds the count of nodes visited, as in `showExpr`; what is beyond it is `\dots`. */
export function latexExpr(e: Expr, budget = 50_000, dims: (d: Dim) => string = showDim): string {
  let left = budget;
  const render = (x: Expr): Latex => {
    left -= 1;
    return left < 0 ? atom("\\dots") : renderNode(x, render);
  };
  const outer = dimName;
  dimName = dims;
  try {
    return render(e).text;
  } finally {
    dimName = outer;
  }
}
/** What the spec calls a size, for as long as one expression is written. */
let dimName: (d: Dim) => string = showDim;

const atom = (text: string): Latex => ({ text, level: level.atom });
const brackets = (text: string): string => `\\left(${text}\\right)`;
function wrap(t: Latex, least: number, last = false): string {
  return t.level < least || (t.open && !last) ? brackets(t.text) : t.text;
}
const below = (parts: readonly string[]): string => (parts.length === 0 ? "" : `_{${parts.join(", ")}}`);

function renderNode(e: Expr, render: Render): Latex {
  switch (e.kind) {
    case "number": case "product": return renderProduct(e, render);
    case "symbol": return atom(symbolText(e));
    case "identity": return atom("I");
    case "zero": return atom("0");
    case "ones": return renderOnes(e, render);
    case "sum": return renderSum(e, render);
    case "transpose": return raised(e.arg, "\\top", render);
    case "inverse":
      return e.arg.kind === "transpose" ? raised(e.arg.arg, "-\\top", render) : raised(e.arg, "-1", render);
    case "indexSum":
      return { text: `\\sum_{${indexText({ kind: "variable", name: e.index })}} ${wrap(render(e.body), level.product, true)}`, level: level.product, open: true };
    case "slice": return renderSlice(e, render);
    case "apply": return renderApply(e, render);
  }
}

function raised(base: Expr, exponent: string, render: Render): Latex {
  return { text: `${wrap(render(base), level.application)}^{${exponent}}`, level: level.power };
}
function indexText(t: IndexTerm): string {
  if (t.kind === "number") return String(t.value);
  const { head, below: parts } = latexName(t.name);
  return head + below(parts);
}
function symbolText(e: SymbolExpr): string {
  const { head, below: parts } = latexName(e.name);
  return head + below(e.member ? [...parts, indexText(e.member)] : parts);
}
function dimText(dim: Dim, render: Render): string {
  const named = dimName(dim);
  return named === showDim(dim) ? render(dimExpr(dim)).text : render(dimExpr(dimSymbol(named))).text;
}

function renderOnes(e: ConstantExpr, render: Render): Latex {
  const [rows, cols] = e.shape as readonly [Dim, Dim];
  const column = `\\mathbf{1}_{${dimText(rows, render)}}`;
  if (isOne(cols)) return atom(column);
  const row = `\\mathbf{1}_{${dimText(cols, render)}}^{\\top}`;
  return isOne(rows) ? { text: row, level: level.power } : { text: `${column} ${row}`, level: level.product };
}
function renderSlice(e: SliceExpr, render: Render): Latex {
  const range = (r: Range | undefined): string =>
    !r ? ":" : r.from.key === r.to.key ? dimText(r.from, render) : `${dimText(r.from, render)}:${dimText(r.to, render)}`;
  const bare = e.arg.kind === "symbol" && !e.arg.member && latexName(e.arg.name).below.length === 0;
  const { text } = render(e.arg);
  return atom(`${bare ? text : `\\left[${text}\\right]`}_{${range(e.rows)}, ${range(e.cols)}}`);
}

// ---------------------------------------------------------------- sums and products
function renderSum(e: SumExpr, render: Render): Latex {
  const terms = readingOrder(e);
  const text = terms.map(({ term, negative, spread }, i) => {
    const body = wrap(renderUnsigned(term, render, spread), level.product, i === terms.length - 1);
    if (i === 0) return negative ? `-${body}` : body;
    return negative ? ` - ${body}` : ` + ${body}`;
  }).join("");
  return { text, level: level.sum };
}
function renderUnsigned(term: Expr, render: Render, spread: boolean): Latex {
  if (term.kind === "ones" && spread) return render(number(1));
  if (term.kind !== "product" && term.kind !== "number") return render(term);
  const layout = productLayout(term);
  return renderLayout(spread ? { ...layout, factors: [] } : layout, render);
}
function renderProduct(e: ProductExpr | NumberExpr, render: Render): Latex {
  const layout = productLayout(e);
  const t = renderLayout(layout, render);
  return layout.negative ? { ...t, text: `-${wrap(t, level.product, true)}`, level: level.sum } : t;
}

/** Factors side by side; a thin space where words would run together, a dot between digits. */
function juxtapose(parts: readonly string[]): string {
  return parts.reduce((text, part) => {
    if (text === "") return part;
    if (/^\d/.test(part)) return `${text} \\cdot ${part}`;
    return /\\(mathit|text)\{[^{}]*\}\S*$/.test(text) || /^\\(mathit|text)\{/.test(part) ? `${text} \\, ${part}` : `${text} ${part}`;
  }, "");
}

function renderLayout(p: ProductLayout, render: Render): Latex {
  const [only] = p.factors;
  if (p.factors.length === 1 && only && isDivision(only)) {
    return renderHadamard([only], render, wrap(renderLayout({ ...p, factors: [] }, render), level.product));
  }
  const alone = p.factors.length === 0;
  const loose = alone ? p.over.findLast((s) => s.exponent === 1 && (s.base.kind === "indexSum" || s.base.kind === "product")) : undefined;
  const over = p.over.filter((s) => s !== loose);
  const tail = loose ? render(loose.base) : alone ? undefined : renderFactors(p.factors, render);
  const front = renderFront(p, over, tail, render);
  if (!tail || front?.level === level.atom) return front ?? atom("1");
  if (!front) return tail;
  return { text: juxtapose([front.text, wrap(tail, level.product, true)]), level: level.product, open: tail.open === true };
}

/** The scalars in front of the factors, as a fraction where some are below; with an atom's level where it has taken the factors in. */
function renderFront(p: ProductLayout, over: readonly Power[], tail: Latex | undefined, render: Render): Latex | undefined {
  const coefficient = latexNumber(p.coefficient);
  const numbered = p.coefficient !== 1;
  const under = [...(p.divisor === 1 ? [] : [String(p.divisor)]), ...p.under.map((s) => renderPower(s, render))];
  if (under.length > 0) {
    const [single] = p.under;
    const bottom = under.length === 1 && single?.exponent === 1 ? render(single.base).text : juxtapose(under);
    const decimal = numbered && coefficient.compound ? [coefficient.text] : [];
    const top = [...(numbered && !coefficient.compound ? [coefficient.text] : []), ...over.map((s) => renderPower(s, render))];
    const [first] = over;
    const topText = over.length === 1 && first?.exponent === 1 && top.length === 1 ? render(first.base).text : juxtapose(top);
    if (tail && !tail.open && top.length === 0 && decimal.length === 0) return atom(`\\frac{${tail.text}}{${bottom}}`);
    return { text: juxtapose([...decimal, `\\tfrac{${topText || "1"}}{${bottom}}`]), level: level.product };
  }
  if (over.length === 0) {
    if (!numbered && tail) return undefined;
    return { text: coefficient.text, level: tail || coefficient.compound ? level.product : level.atom };
  }
  const texts = over.map((s) => renderPower(s, render));
  const text = juxtapose([...(numbered ? [coefficient.text] : []), ...texts]);
  const [first] = over;
  return { text, level: !numbered && over.length === 1 && first && first.exponent !== 1 ? level.power : level.product };
}
function renderPower({ base, exponent }: Power, render: Render): string {
  const t = render(base);
  return exponent === 1 ? wrap(t, level.power) : `${wrap(t, level.atom)}^{${latexNumber(exponent).text}}`;
}

function renderFactors(factors: readonly Expr[], render: Render): Latex {
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
function renderHadamard(args: readonly Expr[], render: Render, front = "1"): Latex {
  const parts = entrywiseLayout(args);
  const over = parts.over.map((a) => wrap(render(a), level.power));
  const under = parts.under.map((d) => (d.exponent === 1 ? wrap(render(d.base), level.power) : entrywisePower(d.base, latexNumber(d.exponent).text, render).text));
  return { text: [over.length > 0 ? over.join(" \\odot ") : front, ...under].join(" \\oslash "), level: level.product };
}
function entrywisePower(base: Expr, exponent: string, render: Render): Latex {
  return { text: `${wrap(render(base), level.atom)}^{${isScalar(base) ? "" : "\\odot "}${exponent}}`, level: level.power };
}

// ---------------------------------------------------------------- functions
/** An operator's sign in front of its bracketed arguments. */
const operators: Partial<Record<FunctionName, string>> = {
  logdet: "\\log\\det", log: "\\log", exp: "\\exp", tanh: "\\tanh", max: "\\max", min: "\\min", trace: "\\operatorname{tr}",
  relu: "\\operatorname{ReLU}", gelu: "\\operatorname{GELU}", project_simplex: "\\operatorname{proj}_{\\Delta}",
  nonnegative: "\\iota_{\\ge 0}", simplex: "\\iota_{\\Delta}", orthonormal: "\\iota_{\\mathrm{St}}", prox: "",
};
/** The last argument stands below the sign: S with threshold c. */
const indexedOperators: Partial<Record<FunctionName, (under: readonly string[]) => string>> = {
  soft_threshold: ([c]) => `\\operatorname{soft}_{${c}}`,
  hard_threshold: ([c]) => `\\operatorname{hard}_{${c}}`,
  huber: ([delta]) => `\\operatorname{huber}_{${delta}}`,
  singular_soft_threshold: ([c]) => `\\operatorname{svt}_{${c}}`,
  box: ([lower, upper]) => `\\iota_{[${lower}, ${upper}]}`,
  ball: ([radius]) => `\\iota_{\\lVert\\cdot\\rVert \\le ${radius}}`,
  sphere: ([radius]) => `\\iota_{\\lVert\\cdot\\rVert = ${radius}}`,
};
const norms: Partial<Record<FunctionName, string>> =
  { norm0: "0", norm1: "1", norm21: "2,1", norm_nuc: "*", norm_spec: "2", norm_inf: "\\infty" };
const comparisonSigns: Partial<Record<FunctionName, string>> =
  { equal: "=", less: "<", less_equal: "\\le", greater: ">", greater_equal: "\\ge" };

function renderApply(e: ApplyExpr, render: Render): Latex {
  const [a, b] = e.args;
  if (!a) return atom(`\\operatorname{${escapeLatex(e.fn)}}`);
  const text = render(a).text;
  const norm = norms[e.fn];
  const sign = comparisonSigns[e.fn];
  if (norm) return atom(`\\left\\lVert ${text} \\right\\rVert_{${norm}}`);
  if (sign && b) return atom(`\\left[${text} ${sign} ${render(b).text}\\right]`);
  switch (e.fn) {
    case "norm2": return atom(`\\left\\lVert ${text} \\right\\rVert_${euclidean(a)}`);
    case "sq_norm": return { text: `\\left\\lVert ${text} \\right\\rVert_${euclidean(a)}^2`, level: level.power };
    case "sqrt": return atom(`\\sqrt{${text}}`);
    case "abs": return atom(`\\left\\lvert ${text} \\right\\rvert`);
    case "hadamard": return renderHadamard(e.args, render);
    case "power":
      if (divisorOf(e)) return renderHadamard([e], render);
      return b ? entrywisePower(a, render(b).text, render) : atom(text);
    case "remainder": return { text: `${wrap(render(a), level.product)} \\bmod ${wrap(b ? render(b) : atom(""), level.power)}`, level: level.product };
    default: break;
  }
  if (e.family) return renderFamily(e.family, a, render);
  const indexed = indexedOperators[e.fn];
  if (indexed) return application(indexed(e.args.slice(1).map((x) => render(x).text)), [text]);
  const over = e.options["over"];
  const operator = operators[e.fn] ?? `\\operatorname{${escapeLatex(e.fn)}}`;
  return application(operator + (typeof over === "string" ? `_{\\mathrm{${escapeLatex(over)}}}` : ""), e.args.map((x) => render(x).text));
}
const euclidean = (e: Expr): string => (isOne(colsOf(e)) ? "2" : "F");
function application(operator: string, args: readonly string[]): Latex {
  return { text: operator + brackets(args.join(", ")), level: level.application };
}
/** `softmax` over k of the member at k. A member elsewhere is shown over that index. */
function renderFamily({ index, at }: NonNullable<ApplyExpr["family"]>, arg: Expr, render: Render): Latex {
  const operator = (t: IndexTerm): string => `\\operatorname{softmax}_{${indexText(t)}}`;
  if (at.kind === "variable") return application(operator(at), [render(renameFreeIndex(arg, index, at)).text]);
  const whole = application(operator({ kind: "variable", name: index }), [render(arg).text]);
  return { text: `\\left[${whole.text}\\right]_{${at.value}}`, level: level.atom };
}
