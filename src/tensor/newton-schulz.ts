/**
 * How does an inverse become products? By Newton–Schulz, X ← μX(2I − μEX) (Schulz 1933), on a start whose EX has eigenvalues in (0, 1], with
 * the prescaling μ of Pan & Schreiber (1991, section 4): small eigenvalues grow fourfold in an iteration instead of twofold, and none can
 * leave (0, 1] whatever the condition is. In 20 iterations eigenvalues of EX down to 1e-9 arrive at 1.
 */
import type { ProductExpr, Expr } from "../expression/expr.js";
import { partsOf, termsOf, transpose } from "../expression/expr.js";
import type { GraphBuilder } from "./builder.js";
import { freshName, type LowerContext, type Lowered, materialise } from "./lowered.js";

/** Iterations at the end that only polish, so that rounding of the earlier ones is gone. */
const polishing = 2;
const leastEigenvalue = 1e-9;
/**
 * μ is never nearer to 2 than this allows. An eigenvalue at 1 becomes μ(2 − μ); at μ = 2 that is 0, which rounding in float32 makes
 * negative (in one matrix of some thousand; in most where the condition is large), and the iterations after it diverge. Small eigenvalues
 * grow almost fourfold all the same.
 */
const safest = 0.01;
const scaling = (l: number): number => 2 / (1 + Math.max(l, safest));
/** After one scaled iteration on eigenvalues in [l, 1], the least one. */
function grown(l: number): number {
  const mu = scaling(l);
  return Math.min(mu * l * (2 - mu * l), mu * (2 - mu));
}

/** μ for each iteration: fitted to the smallest eigenvalue that the count of iterations can still serve. */
export function newtonScalings(iterations: number): readonly number[] {
  const arrives = (l: number): boolean => {
    let x = l;
    for (let i = 0; i < iterations - polishing; i++) x = grown(x);
    return x > 1 - 1e-7;
  };
  let least = leastEigenvalue;
  while (least < 1 && !arrives(least)) least *= 1.25;
  let l = Math.min(least, 1);
  return Array.from({ length: iterations }, () => {
    const mu = scaling(l);
    l = Math.min(grown(l), 1);
    return mu;
  });
}

/** The inverse of E (roles row i, column j) as a node whose rows are j and columns i. */
export function lowerInverse(context: LowerContext, e: Expr, iterations = 20): Lowered {
  const b = context.builder;
  const matrix = materialise(b, context.lower(e));
  const [row, col] = matrix.roles;
  if (!row || !col) return { ...matrix, node: b.unary("reciprocal", matrix.node) };
  const E = matrix.node;
  const taken = new Set(b.axes(E).map((a) => a.name));
  const other = { name: freshName(row.name, taken), size: row.size };
  const toOther = new Map([[row.name, other.name]]), back = new Map([[other.name, row.name]]);
  const absolute = b.unary("abs", E);
  const byRows = b.reduce("max", b.reduce("sum", absolute, [col.name]), [row.name]);
  const byCols = b.reduce("max", b.reduce("sum", absolute, [row.name]), [col.name]);
  // Symmetric and positive: I/‖E‖∞ starts at 1/κ. Otherwise E'/(‖E‖₁‖E‖∞) starts at 1/κ² but always converges.
  let X = isPositiveDefinite(context, e)
    ? b.binary("divide", b.identity(row, col), byRows)
    : b.binary("divide", E, b.binary("multiply", byRows, byCols));
  const scalings = newtonScalings(iterations);
  const [once, twice] = [b.identity(row, other), b.binary("multiply", b.identity(row, other), b.fill(2))];
  scalings.forEach((mu, i) => {
    const scaled = b.binary("multiply", X, b.fill(mu));
    const product = b.contract(E, b.rename(scaled, toOther), [col.name]);
    const times = (rest: number): number => b.rename(b.contract(scaled, rest, [row.name]), back);
    // At the end X + X(I − EX): what is rounded is the correction, not the inverse.
    X = i < scalings.length - polishing
      ? times(b.binary("subtract", twice, product)) : b.binary("add", scaled, times(b.binary("subtract", once, product)));
  });
  return { node: X, roles: [col, row] };
}

/** Does the form show that E is c·I plus terms A·A' or A·diag(w)·A' with factors that cannot be negative? */
export function isPositiveDefinite(context: LowerContext, e: Expr): boolean {
  let definite = false;
  const terms = termsOf(e);
  for (const term of terms) {
    const { coefficient, scalars, factors } = partsOf(term.kind === "indexSum" ? term.body : term);
    const positive = coefficient > 0 && scalars.every((s) => s.exponent % 2 === 0 || isNonNegative(context, context.lower(s.base).node));
    if (!positive || factors.length === 0) return false;
    const [only] = factors;
    if (factors.length === 1 && only?.kind === "identity") definite = true;
    else if (!isGram(context, factors)) return false;
  }
  return definite || (terms.length === 1 && isSmallGram(context, partsOf(terms[0] as Expr).factors));
}
/** A·A' with as many columns as rows at least: definite unless it is singular, and then there is no inverse. */
const isSmallGram = (context: LowerContext, factors: ProductExpr["factors"]): boolean => factors.length >= 2 && isGram(context, factors);

function isGram(context: LowerContext, factors: ProductExpr["factors"]): boolean {
  const turned = [...factors].reverse().map(transpose);
  if (!factors.every((f, i) => f.id === turned[i]?.id)) return false;
  const middle = factors.length % 2 === 1 ? factors[(factors.length - 1) / 2] : undefined;
  if (!middle) return true;
  return middle.kind === "apply" && middle.fn === "diag" && middle.args[0] !== undefined && isNonNegative(context, context.lower(middle.args[0]).node);
}
/** Known to be ≥ 0 from the way it is computed. */
export function isNonNegative(context: LowerContext, id: number): boolean {
  const b: GraphBuilder = context.builder;
  const node = b.node(id);
  const all = (...ids: readonly number[]): boolean => ids.every((x) => isNonNegative(context, x));
  switch (node.op) {
    case "fill": return node.value >= 0;
    case "constant": return node.data.every((x) => x >= 0);
    case "size": case "iota": case "softmax": return true;
    case "parameter": return context.positive(node.name);
    case "unary": return ["exp", "abs", "square", "relu", "sigmoid", "step"].includes(node.fn) || (["sqrt", "reciprocal"].includes(node.fn) && all(node.x));
    case "binary":
      if (["equal", "less", "less_equal", "greater", "greater_equal"].includes(node.fn)) return true;
      if (node.fn === "max") return all(node.a) || all(node.b);
      return ["add", "multiply", "divide", "power", "min"].includes(node.fn) && all(node.a, node.b);
    case "contract": return all(node.a, node.b);
    case "reduce": case "rename": case "slice": case "pad": case "split": case "merge": case "cumsum": case "diagonal": case "stop": case "cast": return all(node.x);
    default: return false;
  }
}
