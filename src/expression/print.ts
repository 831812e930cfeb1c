/** An expression as `.srr` text, with no more parentheses than a person would write. */
import { type Dim, isOne, showDim } from "./dim.js";
import {
  type ApplyExpr, type ConstantExpr, type Expr, type IndexTerm, isScalar, number, type NumberExpr, type Power, type ProductExpr, type Range,
  renameFreeIndex, rowsOf, type SliceExpr, type SumExpr,
} from "./expr.js";
import type { FunctionName, OptionValue } from "./functions.js";
import { divisorOf, entrywiseLayout, isDivision, numberText, productLayout, type ProductLayout, readingOrder, shownName } from "./reading.js";

/** Binding strengths of the language, loosest first. */
const level = { comparison: 1, sum: 2, product: 3, power: 5, postfix: 6 } as const;

interface Text {
  readonly text: string;
  readonly level: number;
  /** Ends in a `sum(k) …`, which would swallow a factor that followed. */
  readonly open?: boolean;
}

const comparisonSigns: Partial<Record<FunctionName, string>> =
  { equal: "==", less: "<", less_equal: "<=", greater: ">", greater_equal: ">=" };
/** Options whose value is a word of the language, not a string. */
const wordOptions: ReadonlySet<string> = new Set(["over"]);
/** Options that the language takes by position. */
const positionalOptions: Partial<Record<FunctionName, readonly string[]>> = { patches: ["size"], unpatch: ["size"], dropout: ["rate"] };

/**
 * The expression in the language's notation. `budget` bounds the count of nodes visited: beyond it a part is shown as `…`,
 * since an expression that shares subexpressions can be exponentially long as text.
 */
export function showExpr(e: Expr, budget = 40_000, dims: (d: Dim) => string = showDim): string {
  let left = budget;
  const render = (x: Expr): Text => {
    left -= 1;
    return left < 0 ? { text: "…", level: level.postfix } : renderNode(x, render);
  };
  const outer = dimText;
  dimText = dims;
  try {
    return render(e).text;
  } finally {
    dimText = outer;
  }
}
/** How sizes are written, for as long as one expression is. */
let dimText: (d: Dim) => string = showDim;

type Render = (e: Expr) => Text;

function wrap(t: Text, least: number, last = false): string {
  return t.level < least || (t.open && !last) ? `(${t.text})` : t.text;
}

function renderNode(e: Expr, render: Render): Text {
  switch (e.kind) {
    case "number": case "product": return renderProduct(e, render);
    case "symbol": return { text: shownName(e.name) + (e.member ? `[${indexTermText(e.member)}]` : ""), level: level.postfix };
    case "identity": return { text: "I", level: level.postfix };
    case "zero": return { text: "0", level: level.postfix };
    case "ones": return renderOnes(e);
    case "sum": return renderSum(e, render);
    case "transpose": return { text: `${wrap(render(e.arg), level.postfix)}'`, level: level.postfix };
    case "inverse": {
      const iterations = e.iterations === undefined ? "" : `, iterations: ${e.iterations}`;
      return { text: `inv(${render(e.arg).text}${iterations})`, level: level.postfix };
    }
    case "indexSum":
      return { text: `sum(${e.index}) ${wrap(render(e.body), level.product, true)}`, level: level.product, open: true };
    case "slice": return renderSlice(e, render);
    case "apply": return renderApply(e, render);
  }
}

const indexTermText = (t: IndexTerm): string => (t.kind === "variable" ? t.name : String(t.value));

function renderOnes(e: ConstantExpr): Text {
  const [rows, cols] = e.shape as readonly [Dim, Dim];
  const column = `ones(${dimText(rows)})`;
  const row = `ones(${dimText(cols)})'`;
  if (isOne(cols)) return { text: column, level: level.postfix };
  if (isOne(rows)) return { text: row, level: level.postfix };
  return { text: `${column}*${row}`, level: level.product };
}

function renderSlice(e: SliceExpr, render: Render): Text {
  const range = (r: Range | undefined): string =>
    !r ? ":" : r.from.key === r.to.key ? dimText(r.from) : `${dimText(r.from)}..${dimText(r.to)}`;
  return { text: `${wrap(render(e.arg), level.postfix)}[${range(e.rows)}, ${range(e.cols)}]`, level: level.postfix };
}

// ---------------------------------------------------------------- sums and products
function renderSum(e: SumExpr, render: Render): Text {
  const terms = readingOrder(e);
  const text = terms.map(({ term, negative, spread }, i) => {
    const t = renderUnsigned(term, render, spread);
    const body = wrap(t, level.product, i === terms.length - 1);
    if (i === 0) return negative ? `-${body}` : body;
    return negative ? ` - ${body}` : ` + ${body}`;
  }).join("");
  return { text, level: level.sum };
}

/** A term without its minus sign; a spread one without its matrix of ones. */
function renderUnsigned(term: Expr, render: Render, spread: boolean): Text {
  if (term.kind === "ones" && spread) return render(number(1));
  if (term.kind !== "product" && term.kind !== "number") return render(term);
  const layout = productLayout(term);
  return renderLayout(spread ? { ...layout, factors: [] } : layout, render);
}

function renderProduct(e: ProductExpr | NumberExpr, render: Render): Text {
  const layout = productLayout(e);
  const t = renderLayout(layout, render);
  return layout.negative ? { ...t, text: `-${wrap(t, level.product, true)}`, level: level.sum } : t;
}

/** The product as it stands right of its sign. */
function renderLayout(p: ProductLayout, render: Render): Text {
  const [only] = p.factors;
  if (p.factors.length === 1 && only && isDivision(only)) {
    const front = renderLayout({ ...p, factors: [] }, render);
    return renderHadamard([only], render, wrap(front, level.product));
  }
  const factors = p.factors.length === 0 ? undefined : renderFactors(p.factors, render);
  const { scalars, last } = renderScalars(p.over, render, p.factors.length === 0);
  const needsNumber = p.coefficient !== 1 || (scalars.length === 0 && !last && !factors);
  const front = [...(needsNumber ? [numberText(p.coefficient)] : []), ...scalars];
  const under = renderUnder(p, render);
  const tail = last ?? factors;
  if (!under) {
    if (!tail) return { text: front.join("*"), level: front.length === 1 && p.over.length === 0 ? level.postfix : single(front, p, render) };
    if (front.length === 0) return tail;
    return { text: [...front, wrap(tail, level.product, true)].join("*"), level: level.product, open: tail.open === true };
  }
  if (!tail) return { text: `${front.length > 0 ? front.join("*") : "1"}/${under}`, level: level.product };
  // `p/(n*eps^2)*Z'*Z`, but `Z'*Z/n`, and never a denominator inside a sum.
  if (scalars.length > 0 || tail.open) {
    return { text: `${front.length > 0 ? front.join("*") : "1"}/${under}*${wrap(tail, level.product, true)}`, level: level.product, open: tail.open === true };
  }
  const body = wrap(tail, only && isHadamard(only) ? level.postfix : level.product);
  return { text: `${[...front, body].join("*")}/${under}`, level: level.product };
}

/** One power of a scalar on its own binds as a power, or as its base does. */
function single(front: readonly string[], p: ProductLayout, render: Render): number {
  const [power] = p.over;
  if (front.length > 1 || !power) return level.product;
  if (power.exponent !== 1) return level.power;
  const own = render(power.base);
  return own.level < level.power || own.open ? level.postfix : own.level;
}

function renderFactors(factors: readonly Expr[], render: Render): Text {
  const [only] = factors;
  if (factors.length === 1 && only) {
    const t = render(only);
    return t.level >= level.product ? t : { text: `(${t.text})`, level: level.postfix };
  }
  const texts = factors.map((f, i) => {
    const t = render(f);
    const isLast = i === factors.length - 1;
    return { text: wrap(t, isHadamard(f) || !t.open ? level.power : level.product, isLast), open: isLast && t.open === true && !isHadamard(f) };
  });
  return { text: texts.map((t) => t.text).join("*"), level: level.product, open: texts.at(-1)?.open === true };
}

/** Scalars in a row. In a product without matrices a sum over an index, or a product such as `x'*y`, goes last and needs no parentheses. */
function renderScalars(powers: readonly Power[], render: Render, alone: boolean): { scalars: string[]; last: Text | undefined } {
  const isLoose = (p: Power): boolean => p.exponent === 1 && (p.base.kind === "indexSum" || p.base.kind === "product");
  const last = alone ? powers.findLast(isLoose) : undefined;
  const scalars = powers.filter((p) => p !== last).map((p) => renderPower(p, render));
  return { scalars, last: last && render(last.base) };
}
function renderPower({ base, exponent }: Power, render: Render): string {
  if (exponent === 1) return wrap(render(base), level.power);
  return `${wrap(render(base), level.postfix)}^${numberText(exponent)}`;
}
function renderUnder(p: ProductLayout, render: Render): string | undefined {
  const parts = [...(p.divisor === 1 ? [] : [numberText(p.divisor)]), ...p.under.map((u) => renderPower(u, render))];
  if (parts.length === 0) return undefined;
  return parts.length === 1 ? parts[0] : `(${parts.join("*")})`;
}

// ---------------------------------------------------------------- functions
const isHadamard = (e: Expr): boolean => e.kind === "apply" && e.fn === "hadamard";

/** `A .* B ./ C`; `front` stands before the divisors where all are. */
function renderHadamard(args: readonly Expr[], render: Render, front = "1"): Text {
  const parts = entrywiseLayout(args);
  const over = parts.over.map((a) => wrap(render(a), level.power));
  const under = parts.under.map((d) =>
    d.exponent === 1 ? wrap(render(d.base), level.power) : `${wrap(render(d.base), level.postfix)}.^${numberText(d.exponent)}`);
  return { text: [over.length > 0 ? over.join(" .* ") : front, ...under].join(" ./ "), level: level.product };
}

function renderApply(e: ApplyExpr, render: Render): Text {
  const [a, b] = e.args;
  const sign = comparisonSigns[e.fn];
  if (sign && a && b) {
    return { text: `${wrap(render(a), level.sum, true)} ${sign} ${wrap(render(b), level.sum, true)}`, level: level.comparison };
  }
  if (e.fn === "remainder" && a && b) {
    return { text: `${wrap(render(a), level.product)} % ${wrap(render(b), level.power)}`, level: level.product };
  }
  if (e.fn === "hadamard") return renderHadamard(e.args, render);
  if (e.fn === "power" && a && b) {
    if (divisorOf(e)) return renderHadamard([e], render);
    const plain = b.kind === "symbol" || (b.kind === "number" && b.value >= 0);
    const exponent = plain ? render(b).text : `(${render(b).text})`;
    return { text: `${wrap(render(a), level.postfix)}${isScalar(e) ? "^" : ".^"}${exponent}`, level: level.power };
  }
  if (e.family && a) return renderFamily(e, e.family, a, render);
  return { text: `${e.fn}(${[...e.args.map((x) => argumentText(x, render)), ...optionTexts(e)].join(", ")})`, level: level.postfix };
}
/** A bare `0` or `I` has no neighbour in a call from which its shape could be told. */
function argumentText(e: Expr, render: Render): string {
  if (e.kind === "zero" && e.shape.length === 2) return `0*${renderOnes(e).text}`;
  if (e.kind === "identity") return `diag(ones(${dimText(rowsOf(e))}))`;
  return render(e).text;
}

/** `softmax(v[k], over: k)`: its member at k. A member elsewhere is shown over that index. */
function renderFamily(_e: ApplyExpr, family: NonNullable<ApplyExpr["family"]>, arg: Expr, render: Render): Text {
  const { index, at } = family;
  if (at.kind === "number") return { text: `softmax(${render(arg).text}, over: ${index})[${at.value}]`, level: level.postfix };
  return { text: `softmax(${render(renameFreeIndex(arg, index, at)).text}, over: ${at.name})`, level: level.postfix };
}

function optionTexts(e: ApplyExpr): readonly string[] {
  const positional = positionalOptions[e.fn] ?? [];
  const value = (name: string, v: OptionValue): string => {
    if (typeof v === "number") return numberText(v);
    if (typeof v === "object") return dimText(v);
    return typeof v === "string" && !wordOptions.has(name) ? JSON.stringify(v) : String(v);
  };
  const named = Object.keys(e.options).filter((k) => !positional.includes(k)).sort();
  return [
    ...positional.flatMap((k) => (e.options[k] === undefined ? [] : [value(k, e.options[k])])),
    ...named.flatMap((k) => (e.options[k] === undefined ? [] : [`${k}: ${value(k, e.options[k])}`])),
  ];
}
