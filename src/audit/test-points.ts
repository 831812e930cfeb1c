/** Random values for the symbols of expressions: small sizes, the spec's own consts, everything else drawn. */
import { type Dim, dimName, dimSymbols, dimValue } from "../expression/dim.js";
import { colsOf, contains, type Expr, type Range, rowsOf, type SymbolExpr } from "../expression/expr.js";
import { type Environment, evaluateDim } from "../numeric/evaluate.js";
import { scalarValue, scaleValue, type Value } from "../numeric/matrix.js";
import { createGenerator, type Generator, randomValue } from "../numeric/sample.js";
import type { TypedNetwork } from "../semantics/program.js";

/** All dims that stand in the shapes and ranges of an expression. */
function dimsIn(e: Expr): readonly Dim[] {
  const found: Dim[] = [];
  contains(e, (x) => {
    found.push(...x.shape);
    if (x.kind === "indexSum") found.push(x.size);
    if (x.kind === "apply" && x.family) found.push(x.family.size);
    if (x.kind === "slice") for (const r of [x.rows, x.cols]) if (r) found.push(r.from, r.to);
    return false;
  });
  return found;
}
function symbolsIn(expressions: readonly Expr[]): ReadonlyMap<string, SymbolExpr> {
  const found = new Map<string, SymbolExpr>();
  for (const e of expressions) {
    contains(e, (x) => {
      if (x.kind === "symbol" && !found.has(x.name)) found.set(x.name, x);
      return false;
    });
  }
  return found;
}

/** Sizes are drawn up to some 24; a column named by its number asks more, up to this many. */
const mostColumns = 64;

/** Each slice's range and what it is taken of. */
function rangesIn(expressions: readonly Expr[]): readonly { readonly range: Range; readonly of: Dim }[] {
  const found: { readonly range: Range; readonly of: Dim }[] = [];
  for (const e of expressions) {
    contains(e, (x) => {
      if (x.kind === "slice" && x.rows) found.push({ range: x.rows, of: rowsOf(x.arg) });
      if (x.kind === "slice" && x.cols) found.push({ range: x.cols, of: colsOf(x.arg) });
      return false;
    });
  }
  return found;
}
/**
 * Small numbers for dims such that every size in the expressions is a positive whole number and every slice lies within what it is taken of;
 * undefined if none was found.
 */
export function smallDims(expressions: readonly Expr[], generator: Generator): ReadonlyMap<string, number> | undefined {
  const dims = expressions.flatMap(dimsIn);
  const ranges = rangesIn(expressions);
  const named = Math.max(0, ...ranges.map((r) => dimValue(r.range.to) ?? 0));
  if (named > mostColumns) return undefined;
  const names = [...new Set([
    ...dims.flatMap((d) => [...dimSymbols(d)]),
    ...[...symbolsIn(expressions).values()].filter((s) => s.role === "dim").map((s) => s.name),
  ])];
  const distinct = [...new Map(dims.map((d) => [d.key, d])).values()];
  for (let attempt = 0; attempt < 400; attempt++) {
    const top = 3 + Math.floor(attempt / 100);
    const drawn = new Map(names.map((name) => [name, 1 + generator.label(top)]));
    // What a slice with a number in it is taken of has at least so many rows or columns.
    for (const { range, of } of ranges) {
      const [least, name] = [dimValue(range.to), dimName(of)];
      if (least !== undefined && name !== undefined && (drawn.get(name) ?? 0) < least) drawn.set(name, least + generator.label(2) - 1);
    }
    const at = (d: Dim): number => evaluateDim(d, (s) => drawn.get(s) ?? 1);
    const sizes = distinct.map(at);
    const lie = ranges.every(({ range, of }) => at(range.from) <= at(range.to) && at(range.to) <= at(of));
    if (lie && sizes.every((n) => Number.isInteger(n) && n >= 1 && n <= 24 + named)) return drawn;
  }
  return undefined;
}

/** How values are drawn: as they come, or where functions that are not defined everywhere may be. */
export interface Spread {
  /** All values positive. */
  readonly positive?: boolean;
  /** Variables a tenth in size. */
  readonly small?: boolean;
}
/** In the order in which they are tried. */
export const spreads: readonly Spread[] = [{}, { positive: true }, { positive: true, small: true }, { small: true }];

export interface TestPointOptions {
  readonly dims: ReadonlyMap<string, number>;
  readonly generator: Generator;
  /** Names with values of their own: consts, definitions. */
  readonly definitions?: ReadonlyMap<string, Expr>;
  readonly spread?: Spread;
  /** Fixed values, by name. */
  readonly values?: ReadonlyMap<string, Value>;
}
/** Draws every symbol of the expressions once, members of families apart. */
export function testPoint(expressions: readonly Expr[], options: TestPointOptions): Environment {
  const symbols = symbolsIn(expressions);
  const drawn = new Map<string, Value>();
  const { positive = false, small = false } = options.spread ?? {};
  const dims = (s: string): number => {
    const n = options.dims.get(s);
    if (n !== undefined) return n;
    throw new Error(`no size for ${s}`);
  };
  const environment: Environment = {
    dims,
    lookup: (name, member) => {
      const key = `${name}[${member ?? ""}]`;
      const known = options.values?.get(key) ?? drawn.get(key);
      if (known) return known;
      const symbol = symbols.get(name);
      // A size has one number, in shapes and in formulas.
      if (!symbol || symbol.role === "dim") return undefined;
      const shape = symbol.shape.map((d) => evaluateDim(d, dims));
      const scalar = shape.every((n) => n === 1);
      const value = symbol.role === "target" ? randomValue(shape, options.generator, { label: 3 })
        : symbol.role === "layer" ? scalarValue(options.generator.label(4))
          : scalar && (symbol.role !== "var" && symbol.role !== "hole" || positive) ? scalarValue(0.2 + 0.7 * options.generator.uniform())
            : randomValue(shape, options.generator, positive ? "positive" : "normal");
      const placed = small && symbol.role === "var" ? scaleValue(value, 0.1) : value;
      drawn.set(key, placed);
      return placed;
    },
  };
  return environment;
}
/** A test point with the network's consts at their own values. */
function networkPoint(network: TypedNetwork, expressions: readonly Expr[], seed: number, spread: Spread = {}): Environment | undefined {
  const generator = createGenerator(seed);
  const dims = smallDims(expressions, generator);
  if (!dims) return undefined;
  const values = new Map<string, Value>(network.consts.map((c) => [`${c.name}[]`, scalarValue(c.value)]));
  return testPoint(expressions, { dims, generator, values, spread });
}
/** Points of one trial in the order in which they are worth trying: as values come first, then where functions may have their domain. */
export function* networkPoints(network: TypedNetwork, expressions: readonly Expr[], seed: number): IterableIterator<{ readonly environment: Environment; readonly seed: number }> {
  for (let round = 0; round < 4; round++) {
    for (const spread of spreads) {
      const own = seed + 7907 * round;
      const environment = networkPoint(network, expressions, own, spread);
      if (environment) yield { environment, seed: own };
    }
  }
}
/** The same, for expressions alone; `indices`: which members they speak of. */
export function* environmentsOf(network: TypedNetwork, expressions: readonly Expr[], seed: number, indices?: ReadonlyMap<string, number>): IterableIterator<Environment> {
  for (const { environment } of networkPoints(network, expressions, seed)) yield indices ? { ...environment, indices } : environment;
}
