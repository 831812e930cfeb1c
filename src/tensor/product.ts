/**
 * How is a chain of matrix factors multiplied? By names and by cost: every boundary between factors gets a name of its own, diagonal
 * factors become multiplications along a boundary, ones become sums, and the rest is associated by dynamic programming.
 */
import { type Dim, dimNumber, dimSubstitute, dimValue } from "../expression/dim.js";
import { colsOf, type Expr, rowsOf } from "../expression/expr.js";
import type { GraphBuilder } from "./builder.js";
import type { Axis } from "./graph.js";
import { extraNames, freshName, type LowerContext, type Lowered, renameRoles } from "./lowered.js";

/** What free sizes count as when costs are compared. */
const nominalBatch = 32, nominalSize = 64;
export function nominal(size: Dim): number {
  return dimValue(size) ?? dimValue(dimSubstitute(size, (s) => dimNumber(s === "batch" ? nominalBatch : nominalSize))) ?? nominalSize;
}
const entriesOf = (axes: Iterable<Axis>): number => [...axes].reduce((p, a) => p * nominal(a.size), 1);

/** Longer chains are multiplied from left to right: the search takes the fourth power of their length. */
const longestSearched = 24;
/** Split points of the cheapest association: [i, j] → k, meaning (i…k)(k+1…j). Axes named by `boundaries[k+1]` vanish there. */
export function cheapestOrder(items: readonly (readonly Axis[])[], boundaries: readonly (string | undefined)[]): (i: number, j: number) => number {
  const count = items.length;
  if (count > longestSearched) return (_, j) => j - 1;
  const axes = (i: number, j: number): Map<string, Axis> => {
    const found = new Map<string, Axis>();
    for (const item of items.slice(i, j + 1)) for (const a of item) found.set(a.name, a);
    for (let b = i + 1; b <= j; b++) found.delete(boundaries[b] ?? "");
    return found;
  };
  const cost: number[][] = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  const split: number[][] = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  for (let length = 2; length <= count; length++) {
    for (let i = 0; i + length <= count; i++) {
      const j = i + length - 1;
      let best = Number.POSITIVE_INFINITY;
      for (let k = i; k < j; k++) {
        const met = new Map([...axes(i, k), ...axes(k + 1, j)]);
        const total = (cost[i]?.[k] ?? 0) + (cost[k + 1]?.[j] ?? 0) + entriesOf(met.values());
        if (total < best) {
          best = total;
          (split[i] as number[])[j] = k;
        }
      }
      (cost[i] as number[])[j] = best;
    }
  }
  return (i, j) => split[i]?.[j] ?? i;
}

interface Chain {
  readonly items: readonly Lowered[];
  /** Diagonals by the boundary on which they stand: 0 is left of the first item. */
  readonly diagonals: ReadonlyMap<number, readonly Lowered[]>;
}
function gather(context: LowerContext, factors: readonly Expr[]): Chain {
  const items: Lowered[] = [];
  const diagonals = new Map<number, Lowered[]>();
  const one = context.builder.fill(1);
  for (const f of factors) {
    if (f.kind === "identity") continue;
    if (f.kind === "ones") {
      const [row, col] = context.rolesOf(f.shape);
      if (row) items.push({ node: one, roles: [row, undefined] });
      if (col) items.push({ node: one, roles: [undefined, col] });
    } else if (f.kind === "apply" && f.fn === "diag" && f.args[0]) {
      const before = diagonals.get(items.length) ?? [];
      diagonals.set(items.length, [...before, context.lower(f.args[0])]);
    } else items.push(context.lower(f));
  }
  return { items, diagonals };
}
function diagonalMatrix(b: GraphBuilder, vectors: readonly Lowered[], [row, col]: readonly (Axis | undefined)[]): Lowered {
  const product = vectors.map((v) => renameRoles(b, v, [row, undefined])).reduce((x, y) => b.binary("multiply", x, y), b.fill(1));
  if (!row || !col) return { node: product, roles: [row, col] };
  return { node: b.binary("multiply", product, b.identity(row, col)), roles: [row, col] };
}
/** Names for all boundaries, each its own and none that a batch or index axis bears. */
function nameBoundaries(b: GraphBuilder, { items, diagonals }: Chain): readonly (Axis | undefined)[] {
  const taken = new Set([...items, ...[...diagonals.values()].flat()].flatMap((x) => extraNames(b, x)));
  return Array.from({ length: items.length + 1 }, (_, i) => {
    const candidates = [items[i - 1]?.roles[1], items[i]?.roles[0]].filter((a) => a !== undefined);
    const [first] = candidates;
    if (!first) return undefined;
    const name = candidates.find((c) => !taken.has(c.name))?.name ?? freshName(first.name, taken);
    taken.add(name);
    return { name, size: first.size };
  });
}

/** The product of matrix factors, in order; scalars are the caller's. */
export function lowerChain(context: LowerContext, factors: readonly Expr[]): Lowered {
  const b = context.builder;
  const chain = gather(context, factors);
  if (chain.items.length === 0) {
    const [first, last] = [factors[0], factors.at(-1)];
    const roles = context.rolesOf(first && last ? [rowsOf(first), colsOf(last)] : []);
    return diagonalMatrix(b, [...chain.diagonals.values()].flat(), roles);
  }
  const boundaries = nameBoundaries(b, chain);
  const nodes = chain.items.map((x, i) => renameRoles(b, x, [boundaries[i], boundaries[i + 1]]));
  for (const [at, vectors] of chain.diagonals) {
    for (const v of vectors) {
      const left = nodes[at - 1], right = nodes[at];
      // The diagonal goes to the neighbour with fewer entries.
      const toLeft = right === undefined || (left !== undefined && entriesOf(b.axes(left)) < entriesOf(b.axes(right)));
      const place = toLeft ? at - 1 : at;
      nodes[place] = b.binary("multiply", nodes[place] as number, renameRoles(b, v, [boundaries[at], undefined]));
    }
  }
  const split = cheapestOrder(nodes.map((n) => b.axes(n)), boundaries.map((x) => x?.name));
  const multiplied = (i: number, j: number): number => {
    if (i === j) return nodes[i] as number;
    const k = split(i, j);
    return contractOver(b, multiplied(i, k), multiplied(k + 1, j), boundaries[k + 1]);
  };
  return { node: multiplied(0, nodes.length - 1), roles: [boundaries[0], boundaries[nodes.length]] };
}
/** Σ over the axis of a·b; where neither has it, it is counted. */
export function contractOver(b: GraphBuilder, left: number, right: number, axis: Axis | undefined): number {
  if (!axis) return b.binary("multiply", left, right);
  if (b.has(left, axis.name) || b.has(right, axis.name)) return b.contract(left, right, [axis.name]);
  return b.binary("multiply", b.binary("multiply", left, right), b.size(axis.size));
}
