/**
 * Singular values as a graph: one-sided Jacobi (Hestenes 1958), unrolled. In each round disjoint pairs of columns are turned
 * against each other, all at once; the pairs follow a round-robin tournament, whose moves are constant permutations.
 */
import { dimNumber, dimValue } from "../expression/dim.js";
import type { GraphBuilder } from "./builder.js";
import type { Axis } from "./graph.js";
import {
  type FunctionLowering, freshName, type LowerContext, type Lowered, materialise, NotLowerable, safeRoot, scalarOf,
} from "./lowered.js";

const largestUnrolled = 32;
const sweeps = 8;
const tiny = 1e-36;

/** Round-robin rounds for an even count of players: in each, `first[i]` meets `second[i]`. */
export function tournament(count: number): readonly { readonly first: readonly number[]; readonly second: readonly number[] }[] {
  const others = Array.from({ length: count - 1 }, (_, i) => i + 1);
  return others.map((_, round) => {
    const seats = [0, ...others.map((__, i) => others[(i + round) % others.length] as number)];
    const first = seats.slice(0, count / 2);
    return { first, second: seats.slice(count / 2).reverse() };
  });
}
interface Singular {
  /** A·V: columns u_i σ_i, along the axes `long` and `short`. */
  readonly turnedColumns: number;
  /** σ_i along `short`. */
  readonly values: number;
  readonly long: Axis;
  readonly short: Axis;
  /** The matrix itself, with its own axes. */
  readonly matrix: number;
}
function rotate(b: GraphBuilder, x: number, y: number, long: string): readonly [number, number] {
  const [alpha, beta] = [b.reduce("sum", b.unary("square", x), [long]), b.reduce("sum", b.unary("square", y), [long])];
  const gamma = b.reduce("sum", b.binary("multiply", x, y), [long]);
  const twice = b.binary("multiply", gamma, b.fill(2));
  const delta = b.binary("subtract", beta, alpha);
  const root = safeRoot(b, b.binary("add", b.unary("square", delta), b.unary("square", twice)), tiny);
  const side = b.binary("subtract", b.binary("multiply", b.binary("greater_equal", delta, b.fill(0)), b.fill(2)), b.fill(1));
  const tangent = b.binary("multiply", side, b.binary("divide", twice, b.binary("add", b.unary("abs", delta), root)));
  const cosine = b.unary("reciprocal", b.unary("sqrt", b.binary("add", b.unary("square", tangent), b.fill(1))));
  const sine = b.binary("multiply", tangent, cosine);
  const times = (c: number, v: number): number => b.binary("multiply", v, c);
  return [b.binary("subtract", times(cosine, x), times(sine, y)), b.binary("add", times(sine, x), times(cosine, y))];
}
function decompose(context: LowerContext, name: string, given: Lowered): Singular {
  const b = context.builder;
  const { node, roles: [row, col] } = materialise(b, given);
  const [rows, cols] = [row ? dimValue(row.size) : 1, col ? dimValue(col.size) : 1];
  if (rows === undefined || cols === undefined) throw new NotLowerable(name, "the sizes of its matrix must be known numbers");
  if (!row || !col) throw new NotLowerable(name, "its matrix is a vector");
  const [long, narrow, n] = rows >= cols ? [row, col, cols] : [col, row, rows];
  if (n > largestUnrolled) throw new NotLowerable(name, `its matrix is ${rows}×${cols}; up to ${largestUnrolled} rows or columns are unrolled`);
  const even = n + (n % 2);
  const taken = new Set(b.axes(node).map((a) => a.name));
  const short = { name: freshName("i", taken), size: dimNumber(even) };
  const pair = { name: freshName("pair", taken), size: dimNumber(even / 2) };
  let columns = b.rename(b.pad(node, narrow.name, dimNumber(0), dimNumber(even - n)), new Map([[narrow.name, short.name]]));
  // Where column j of the matrix stands now: the two halves of each round lie one after the other.
  let place = Array.from({ length: even }, (_, j) => j);
  const take = (list: readonly number[]): number =>
    b.gather(columns, b.constant(Float64Array.from(list, (j) => place[j] as number), [pair], "int"), short.name);
  for (let sweep = 0; sweep < (n <= 2 ? 1 : sweeps); sweep++) {
    for (const { first, second } of tournament(even)) {
      const [x, y] = rotate(b, take(first), take(second), long.name);
      columns = b.rename(b.concat([x, y], pair.name), new Map([[pair.name, short.name]]));
      place = place.map((_, j) => (first.includes(j) ? first.indexOf(j) : even / 2 + second.indexOf(j)));
    }
  }
  const values = safeRoot(b, b.reduce("sum", b.unary("square", columns), [long.name]), tiny);
  return { turnedColumns: columns, values, long, short, matrix: node };
}
/** U·diag(w)·U'·A for weights w along `short`, U = AV/σ: where σ vanishes, so does the column. */
function reassemble(b: GraphBuilder, s: Singular, weights: number): number {
  const U = b.binary("divide", s.turnedColumns, s.values);
  const inner = b.contract(U, s.matrix, [s.long.name]);
  return b.contract(U, b.binary("multiply", inner, weights), [s.short.name]);
}
type Weights = (b: GraphBuilder, s: Singular, second: number | undefined) => number;
/** A matrix with the same singular vectors; a vector is a matrix with one column. */
const matrixLowering = (weights: Weights): FunctionLowering => (context, e, args) => {
  const b = context.builder;
  const x = materialise(b, args[0] as Lowered);
  const taken = new Set(b.axes(x.node).map((a) => a.name));
  const units: string[] = [];
  const roles = x.roles.map((role) => {
    if (role) return role;
    const name = freshName("one", taken);
    taken.add(name);
    units.push(name);
    return { name, size: dimNumber(1) };
  });
  const s = decompose(context, e.fn, { node: x.node, roles });
  return { node: b.reduce("sum", reassemble(b, s, weights(b, s, args[1]?.node)), units), roles: x.roles };
};
const scalarLowering = (f: (b: GraphBuilder, s: Singular) => number, vector: (b: GraphBuilder, squares: number) => number): FunctionLowering =>
  (context, e, args) => {
    const x = args[0] as Lowered;
    const b = context.builder;
    const axis = x.roles[0] ?? x.roles[1];
    if (!x.roles[0] || !x.roles[1]) {
      const square = b.unary("square", materialise(b, x).node);
      return scalarOf(vector(b, axis ? b.reduce("sum", square, [axis.name]) : square));
    }
    return scalarOf(f(b, decompose(context, e.fn, x)));
  };

/** Lowerings of all functions of singular values. */
export const singularLowerings = {
  norm_nuc: scalarLowering((b, s) => b.reduce("sum", s.values, [s.short.name]), (b, squares) => safeRoot(b, squares)),
  norm_spec: scalarLowering((b, s) => b.reduce("max", s.values, [s.short.name]), (b, squares) => safeRoot(b, squares)),
  singular_soft_threshold: matrixLowering((b, s, t) =>
    b.unary("relu", b.binary("subtract", b.fill(1), b.binary("divide", t ?? b.fill(0), s.values)))),
  polar: matrixLowering((b, s) => b.unary("reciprocal", s.values)),
  leading_singular: matrixLowering((b, s) => {
    const leads = b.binary("equal", s.values, b.reduce("max", s.values, [s.short.name]));
    return b.binary("divide", b.binary("divide", leads, b.reduce("sum", leads, [s.short.name])), s.values);
  }),
} satisfies Record<string, FunctionLowering>;
