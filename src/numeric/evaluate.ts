/** The float64 value of an expression at given values of its symbols: the judge of everything else. */
import type { Dim } from "../expression/dim.js";
import { type ApplyExpr, type Expr, freeIndices, type IndexTerm, type ProductExpr, type Range, type SliceExpr, type SymbolExpr } from "../expression/expr.js";
import { inverseValue, matmulChain } from "./linalg.js";
import {
  addValues, cols, filled, identityValue, rows, scalarValue, scaleValue, sliceValue, toNumber, transposeValue, type Value,
} from "./matrix.js";
import { type Rule, type RuleContext, rules } from "./rules.js";

export interface Environment {
  /** The size that a dim symbol stands for. */
  readonly dims: (symbol: string) => number;
  /** The value of a name, or of a member of a family (from 1). Scalars are 1×1. */
  readonly lookup: (name: string, member: number | undefined) => Value | undefined;
  /** Values of the indices that stand free. */
  readonly indices?: ReadonlyMap<string, number>;
  /** Uniform numbers on [0, 1) for dropout in training; without it dropout does nothing. */
  readonly random?: () => number;
}

/** Thrown where the environment has no value for a name, or an index has none. */
export class MissingValue extends Error {
  override name = "MissingValue";
}

export function evaluateDim(dim: Dim, dims: (symbol: string) => number): number {
  return dim.terms.reduce((sum, t) =>
    sum + t.powers.reduce((product, [name, exponent]) => product * dims(name) ** exponent, t.numerator) / t.denominator, 0);
}

/**
 * Evaluates expressions in one environment; what several of them share is computed once, for each assignment of its free indices.
 * `inv` is exact, whatever its count of iterations.
 */
export function evaluator(env: Environment): (e: Expr) => Value {
  const memory = new Map<number | string, Value>();
  const indices = new Map(env.indices ?? []);
  const sizeOf = (dim: Dim): number => evaluateDim(dim, env.dims);

  function visit(e: Expr): Value {
    const key = memoryKey(e);
    const known = memory.get(key);
    if (known) return known;
    const result = compute(e);
    memory.set(key, result);
    return result;
  }
  function memoryKey(e: Expr): number | string {
    const free = freeIndices(e);
    return free.size === 0 ? e.id : `${e.id}:${[...free].sort().map((name) => `${name}=${indices.get(name) ?? "?"}`).join(",")}`;
  }

  function compute(e: Expr): Value {
    switch (e.kind) {
      case "number": return scalarValue(e.value);
      case "symbol": return symbolValue(e);
      case "identity": return identityValue(sizeOf(e.shape[0] as Dim));
      case "zero": return filled(e.shape.map(sizeOf), 0);
      case "ones": return filled(e.shape.map(sizeOf), 1);
      case "sum": return e.terms.map(visit).reduce(addValues);
      case "product": return product(e);
      case "transpose": return transposeValue(visit(e.arg));
      case "inverse": return inverseValue(visit(e.arg));
      case "indexSum": return members(e.index, e.size, e.body).reduce(addValues);
      case "slice": return sliced(e);
      case "apply": return applied(e);
    }
  }
  function symbolValue(e: SymbolExpr): Value {
    if (e.role === "index") return scalarValue(indexValue({ kind: "variable", name: e.name }));
    const found = env.lookup(e.name, e.member && indexValue(e.member));
    if (found) return found;
    if (e.role === "dim") return scalarValue(env.dims(e.name));
    throw new MissingValue(`no value for ${e.name}${e.member ? `[${indexValue(e.member)}]` : ""}`);
  }
  function indexValue(t: IndexTerm): number {
    const found = t.kind === "number" ? t.value : indices.get(t.name);
    if (found === undefined) throw new MissingValue(`no value for the index ${t.kind === "variable" ? t.name : ""}`);
    return found;
  }
  function product(e: ProductExpr): Value {
    const scalar = e.scalars.reduce((p, { base, exponent }) => p * toNumber(visit(base)) ** exponent, e.coefficient);
    return e.factors.length === 0 ? scalarValue(scalar) : scaleValue(matmulChain(e.factors.map(visit)), scalar);
  }
  /** The body's value for every value of the index, in order. */
  function members(index: string, size: Dim, body: Expr): Value[] {
    const outer = indices.get(index);
    const values = Array.from({ length: sizeOf(size) }, (_, i) => {
      indices.set(index, i + 1);
      return visit(body);
    });
    if (outer === undefined) indices.delete(index);
    else indices.set(index, outer);
    return values;
  }
  function sliced(e: SliceExpr): Value {
    const arg = visit(e.arg);
    const bounds = (r: Range | undefined, full: number): [number, number] => (r ? [sizeOf(r.from) - 1, sizeOf(r.to)] : [0, full]);
    return sliceValue(arg, ...bounds(e.rows, rows(arg)), ...bounds(e.cols, cols(arg)));
  }
  function applied(e: ApplyExpr): Value {
    const rule: Rule = rules[e.fn];
    const [arg] = e.args;
    if (!e.family || !arg) return rule(e.args.map(visit), contextOf(e));
    const { index, size, at } = e.family;
    const member = indexValue(at);
    const family = members(index, size, arg);
    const own = family[member - 1];
    if (!own) throw new MissingValue(`no member ${member} of the family over ${index}`);
    return rule([own, ...family], contextOf(e));
  }
  function contextOf(e: ApplyExpr): RuleContext {
    return {
      number: (name, otherwise) => {
        const option = e.options[name];
        return typeof option === "object" ? sizeOf(option) : typeof option === "number" ? option : otherwise;
      },
      text: (name) => {
        const option = e.options[name];
        return typeof option === "string" ? option : undefined;
      },
      flag: (name) => e.options[name] === true,
      random: env.random,
    };
  }
  return (e) => visit(e);
}

/** The value of one expression. */
export function evaluate(e: Expr, env: Environment): Value {
  return evaluator(env)(e);
}
export function evaluateScalar(e: Expr, env: Environment): number {
  return toNumber(evaluate(e, env));
}
