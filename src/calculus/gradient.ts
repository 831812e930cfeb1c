/** The gradient of a scalar expression with respect to a variable, or to every member of a family at once. */
import {
  add, apply, type ApplyExpr, colsOf, contains, type Expr, freeIndices, hadamard, type IndexTerm, indexSum, isScalar,
  isZero, multiply, negate, number, partsOf, type ProductExpr, renameFreeIndex, rowsOf, scalarProduct, scalarShape, scale,
  type SliceExpr, softmaxFamily, subtract, symbol, transpose, zero,
} from "../expression/expr.js";
import { dimNumber, dimSubtract, type Dim } from "../expression/dim.js";
import type { FunctionName, Shape } from "../expression/functions.js";
import { derivativeOf, inner } from "./derivatives.js";
import { simplify } from "./simplify.js";

/** What is differentiated by: a variable, or with `index` a family of them. */
export interface Variable {
  readonly name: string;
  readonly shape: Shape;
  /** The family's own index: the gradient is its member at this index. */
  readonly index?: string;
}

/** A term that has no gradient. */
export class NotDifferentiable extends Error {
  override name = "NotDifferentiable";
  constructor(readonly fn: FunctionName, readonly term: Expr, readonly why: string) {
    super(`${fn}: ${why}`);
  }
}

/** A part of the gradient; with `member` it belongs to that member of the family only. */
interface Flow {
  readonly member?: IndexTerm;
  readonly value: Expr;
}
const memberPlace = "·member";

export function dependsOn(e: Expr, variable: Variable): boolean {
  return contains(e, (x) => x.kind === "symbol" && x.name === variable.name);
}
/** Expressions with the variable in them, and the others, each in order. */
export function byVariable(all: readonly Expr[], variable: Variable): { readonly own: readonly Expr[]; readonly others: readonly Expr[] } {
  return { own: all.filter((e) => dependsOn(e, variable)), others: all.filter((e) => !dependsOn(e, variable)) };
}
/** Terms that differ only by factors free of the variable, as one: its sign is that of all of them together. */
export function gathered(terms: readonly Expr[], variable: Variable): readonly Expr[] {
  const alike = new Map<number, { readonly held: Expr; readonly weight: Expr; readonly term: Expr }[]>();
  for (const term of terms) {
    const { coefficient, scalars, factors } = partsOf(term);
    const held = multiply(scalarProduct(1, scalars.filter((s) => dependsOn(s.base, variable))), ...factors);
    const weight = scalarProduct(coefficient, scalars.filter((s) => !dependsOn(s.base, variable)));
    alike.set(held.id, [...(alike.get(held.id) ?? []), { held, weight, term }]);
  }
  return [...alike.values()].flatMap((group) => {
    const [first, ...more] = group;
    if (!first) return [];
    return [more.length === 0 ? first.term : multiply(add(group.map((g) => g.weight)), first.held)];
  });
}

/**
 * ∇f, of the variable's shape, in simplified normal form. For a family: its member at `variable.index`.
 * Throws NotDifferentiable for a term outside the calculus.
 */
export function gradient(f: Expr, variable: Variable): Expr {
  const flows = pull(f, number(1), variable, []);
  const values = flows.map(({ member, value }) => {
    if (!member || !variable.index) return value;
    if (member.kind === "variable" && member.name === memberPlace) return value;
    return multiply(apply("equal", [symbol(memberPlace, "index", scalarShape), memberNumber(member)]), value);
  });
  const total = values.length === 0 ? zero(variable.shape) : add(values);
  const named = variable.index ? renameFreeIndex(total, memberPlace, { kind: "variable", name: variable.index }) : total;
  return simplify(named);
}
function memberNumber(member: IndexTerm): Expr {
  return member.kind === "number" ? number(member.value) : symbol(member.name, "index", scalarShape);
}

/** Everything that flows to the variable when G is the derivative by e; `bound` are the indices of the sums around e. */
function pull(e: Expr, G: Expr, variable: Variable, bound: readonly string[]): readonly Flow[] {
  if (isZero(G) || !dependsOn(e, variable)) return [];
  switch (e.kind) {
    case "number": case "identity": case "zero": case "ones": return [];
    case "symbol": return [e.member ? { member: e.member, value: G } : { value: G }];
    case "sum": return e.terms.flatMap((t) => pull(t, G, variable, bound));
    case "product": return pullProduct(e, G, variable, bound);
    case "transpose": return pull(e.arg, transpose(G), variable, bound);
    case "inverse": {
      // d(A⁻¹) = −A⁻¹ dA A⁻¹: The Matrix Cookbook, eq. 40.
      const turned = transpose(e);
      return pull(e.arg, negate(multiply(turned, G, turned)), variable, bound);
    }
    case "slice": return pull(e.arg, padded(e, G), variable, bound);
    case "indexSum": {
      const clash = freeIndices(G).has(e.index) || bound.includes(e.index);
      const index = clash ? `${e.index}'${bound.length}` : e.index;
      const body = clash ? renameFreeIndex(e.body, e.index, { kind: "variable", name: index }) : e.body;
      return closeSum(pull(body, G, variable, [...bound, index]), index, e.size);
    }
    case "apply": return pullApply(e, G, variable, bound);
  }
}

/** Flows leave `sum(index)`: the member's own is picked, all else is summed. */
function closeSum(flows: readonly Flow[], index: string, size: Dim): readonly Flow[] {
  return flows.map(({ member, value }) => {
    if (member?.kind === "variable" && member.name === index) {
      const place: IndexTerm = { kind: "variable", name: memberPlace };
      return { member: place, value: renameFreeIndex(value, index, place) };
    }
    const summed = indexSum(index, size, value);
    return member ? { member, value: summed } : { value: summed };
  });
}

function pullProduct(e: ProductExpr, G: Expr, variable: Variable, bound: readonly string[]): readonly Flow[] {
  const flows: Flow[] = [];
  e.factors.forEach((factor, j) => {
    if (!dependsOn(factor, variable)) return;
    const left = e.factors.slice(0, j).reverse().map(transpose);
    const right = e.factors.slice(j + 1).reverse().map(transpose);
    const front = scalarProduct(e.coefficient, e.scalars);
    flows.push(...pull(factor, multiply(front, ...left, G, ...right), variable, bound));
  });
  e.scalars.forEach(({ base, exponent }, i) => {
    if (!dependsOn(base, variable)) return;
    const others = e.scalars.map((s, j) => (j === i ? { base, exponent: exponent - 1 } : s));
    const front = scalarProduct(e.coefficient * exponent, others);
    const bare = e.factors.length === 0 ? number(1) : multiply(...e.factors);
    flows.push(...pull(base, multiply(front, isScalar(e) ? multiply(G, bare) : inner(G, bare)), variable, bound));
  });
  return flows;
}

function padded(e: SliceExpr, G: Expr): Expr {
  const oneLess = (d: Dim): Dim => dimSubtract(d, dimNumber(1));
  return apply("pad", [G], {
    ...(e.rows ? { above: oneLess(e.rows.from), below: dimSubtract(rowsOf(e.arg), e.rows.to) } : {}),
    ...(e.cols ? { before: oneLess(e.cols.from), after: dimSubtract(colsOf(e.arg), e.cols.to) } : {}),
  });
}

function pullApply(e: ApplyExpr, G: Expr, variable: Variable, bound: readonly string[]): readonly Flow[] {
  if (e.fn === "softmax_family") return pullSoftmaxFamily(e, G, variable, bound);
  const row = derivativeOf(e.fn);
  if ("none" in row) throw new NotDifferentiable(e.fn, e, row.none);
  return row.adjoint(e, G).flatMap((flow, i) => (flow ? pull(e.args[i] as Expr, flow, variable, bound) : []));
}

/**
 * y[k] = exp(v[k]) / Σ exp(v[k']). dy[k] = y[k].*(dv[k] − Σ y[k'].*dv[k']). Inside `sum(k)` the two parts meet in one
 * term, y[k].*(G[k] − Σ G[k'].*y[k']); for a single member they stay apart.
 */
function pullSoftmaxFamily(e: ApplyExpr, G: Expr, variable: Variable, bound: readonly string[]): readonly Flow[] {
  const { family, args: [arg] } = e;
  if (!family || !arg) return [];
  const { index, size, at } = family;
  if (at.kind === "variable" && bound.includes(at.name)) {
    const here = renameFreeIndex(arg, index, at);
    const mean = indexSum(at.name, size, hadamard([G, e]));
    return pull(here, hadamard([e, subtract(G, mean)]), variable, bound);
  }
  const own = pull(renameFreeIndex(arg, index, at), hadamard([G, e]), variable, bound);
  const other = `${index}'${bound.length}`;
  const there: IndexTerm = { kind: "variable", name: other };
  const moved = renameFreeIndex(arg, index, there);
  const y = apply1(e, there);
  const rest = closeSum(pull(moved, scale(-1, hadamard([G, e, y])), variable, [...bound, other]), other, size);
  return [...own, ...rest];
}
function apply1(e: ApplyExpr, at: IndexTerm): Expr {
  const { family, args: [arg] } = e;
  return family && arg ? softmaxFamily(arg, family.index, family.size, at) : e;
}
