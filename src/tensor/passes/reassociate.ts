/**
 * In which order is a chain of products multiplied? Each step's expression was associated when it was lowered; chains that come together
 * only in the graph, across steps, are looked at here: all orders of up to a handful of factors, by cost at nominal sizes.
 */
import { dimMultiply, one } from "../../expression/dim.js";
import { type GraphBuilder, hasAxis, operandsOf } from "../builder.js";
import type { Axis, Graph, TensorNode } from "../graph.js";
import { freshName } from "../lowered.js";
import { nominal } from "../product.js";
import type { Pass } from "./pass.js";
import { readersOf, rewriteGraph, type RewriteRule } from "./rewrite.js";

/** More factors have too many orders. */
const mostFactors = 6;
/** What must be saved, as a part of the cost: sizes are nominal, so small gains are none. */
const leastGain = 0.1;

/** A factor of the chain: a node, and what its axes are called in the chain, where every sum has a name of its own. */
interface Factor {
  readonly id: number;
  readonly names: ReadonlyMap<string, string>;
}
/** A way to multiply: factors by their number, or two such joined. */
type Order = number | readonly [Order, Order];

class Chain {
  readonly factors: Factor[] = [];
  private readonly taken: Set<string>;
  /** The order in which the graph multiplies. */
  readonly written: Order;

  constructor(private readonly graph: Graph, private readonly inner: ReadonlySet<number>, root: TensorNode & { readonly op: "contract" }) {
    this.taken = new Set(root.axes.map((a) => a.name));
    this.written = this.expand(root.id, new Map(root.axes.map((a) => [a.name, a.name])), true);
  }
  private node(id: number): TensorNode {
    return this.graph.nodes[id] as TensorNode;
  }
  private expand(id: number, names: ReadonlyMap<string, string>, isRoot = false): Order {
    const node = this.node(id);
    if (isRoot || this.inner.has(id)) {
      if (node.op === "rename") {
        return this.expand(node.x, new Map(this.node(node.x).axes.map((a) => [a.name, names.get(node.names.get(a.name) ?? a.name) as string])));
      }
      if (node.op === "contract") {
        const all = new Map(names);
        for (const name of node.over) {
          const fresh = freshName(name, this.taken);
          this.taken.add(fresh);
          all.set(name, fresh);
        }
        return [this.expand(node.a, all), this.expand(node.b, all)];
      }
    }
    this.factors.push({ id, names: new Map(node.axes.map((a) => [a.name, names.get(a.name) as string])) });
    return this.factors.length - 1;
  }
  axesOf(factor: number): readonly Axis[] {
    const { id, names } = this.factors[factor] as Factor;
    return this.node(id).axes.map((a) => ({ ...a, name: names.get(a.name) as string }));
  }
}

/** What every set of factors, as bits, still has of axes when it is multiplied: those that the result or another factor needs. */
class Costs {
  private readonly axes: readonly (readonly Axis[])[];
  private readonly output: ReadonlySet<string>;

  constructor(chain: Chain, root: TensorNode) {
    this.axes = chain.factors.map((_, i) => chain.axesOf(i));
    this.output = new Set(root.axes.map((a) => a.name));
  }
  keptOf(set: number): readonly Axis[] {
    const outside = new Set(this.output);
    this.axes.forEach((list, i) => { if (!(set & (1 << i))) for (const a of list) outside.add(a.name); });
    const found = new Map(this.axes.flatMap((list, i) => (set & (1 << i) ? list.filter((a) => outside.has(a.name)).map((a) => [a.name, a] as const) : [])));
    return [...found.values()];
  }
  /** Multiplications of joining two sets. */
  joining(left: number, right: number): number {
    const met = new Map([...this.keptOf(left), ...this.keptOf(right)].map((a) => [a.name, a]));
    return nominal([...met.values()].reduce((p, a) => dimMultiply(p, a.size), one));
  }
  of(order: Order): { readonly cost: number; readonly set: number } {
    if (typeof order === "number") return { cost: 0, set: 1 << order };
    const [left, right] = [this.of(order[0]), this.of(order[1])];
    return { cost: left.cost + right.cost + this.joining(left.set, right.set), set: left.set | right.set };
  }
  /** The cheapest order of all. */
  best(count: number): { readonly cost: number; readonly order: Order } {
    const known = new Map<number, { readonly cost: number; readonly order: Order }>();
    for (let i = 0; i < count; i++) known.set(1 << i, { cost: 0, order: i });
    for (let set = 1; set < 1 << count; set++) {
      for (let left = (set - 1) & set; left > 0; left = (left - 1) & set) {
        const right = set ^ left;
        // Each pair once: the lowest factor stands left.
        if (!(left & (set & -set))) continue;
        const [a, b] = [known.get(left), known.get(right)];
        if (!a || !b) continue;
        const cost = a.cost + b.cost + this.joining(left, right);
        if (cost < (known.get(set)?.cost ?? Number.POSITIVE_INFINITY)) known.set(set, { cost, order: [a.order, b.order] });
      }
    }
    return known.get((1 << count) - 1) as { cost: number; order: Order };
  }
}
function multiplied(b: GraphBuilder, order: Order, factors: readonly number[], costs: Costs): { readonly node: number; readonly set: number } {
  if (typeof order === "number") return { node: factors[order] as number, set: 1 << order };
  const [left, right] = [multiplied(b, order[0], factors, costs), multiplied(b, order[1], factors, costs)];
  const set = left.set | right.set;
  const kept = new Set(costs.keptOf(set).map((a) => a.name));
  const over = [...new Set([...b.axes(left.node), ...b.axes(right.node)].map((a) => a.name))].filter((n) => !kept.has(n));
  return { node: b.contract(left.node, right.node, over), set };
}

/** Products that only another product reads, by way of renamings, and the renamings. */
function innerProducts(graph: Graph): ReadonlySet<number> {
  const readers = readersOf(graph);
  const inner = new Set<number>();
  for (const node of [...graph.nodes].reverse()) {
    if (node.op !== "contract" && node.op !== "rename") continue;
    const [reader, ...others] = readers[node.id] ?? [];
    const next = reader === undefined || reader < 0 || others.length > 0 ? undefined : graph.nodes[reader];
    // A product with itself reads one value twice.
    if (!next || operandsOf(next).filter((x) => x === node.id).length > 1) continue;
    if (next.op === "contract" || (next.op === "rename" && inner.has(next.id))) inner.add(node.id);
  }
  return inner;
}

type Contraction = TensorNode & { readonly op: "contract" };
type Slice = TensorNode & { readonly op: "slice" };
/** A slice of a product as the product of a slice. */
interface Cut {
  readonly product: Contraction;
  /** The operand that has the axis, and the other. */
  readonly sliced: number;
  readonly other: number;
  readonly axis: string;
  /** Axes of the product → of what is sliced. */
  readonly names: ReadonlyMap<string, string>;
}
/** Who reads a product, by way of renamings. */
interface Paths {
  readonly renamings: readonly number[];
  readonly products: readonly number[];
  readonly cuts: ReadonlyMap<number, Cut>;
}

/**
 * Products that several products read, where each of those is cheaper made anew of the factors: keys and values of all tokens need not
 * be formed where few queries ask for them.
 */
class SharedProducts {
  private readonly readers: readonly (readonly number[])[];
  readonly inner: Set<number>;
  /** Slices of such products, by id. */
  readonly cuts = new Map<number, Cut>();

  constructor(private readonly graph: Graph, inner: ReadonlySet<number>) {
    this.readers = readersOf(graph);
    this.inner = new Set(inner);
    for (const node of [...graph.nodes].reverse()) if (node.op === "contract" && !this.inner.has(node.id)) this.consider(node);
  }
  /** Undefined where anything else than products and slices reads it. */
  private paths(product: Contraction, id: number, names: ReadonlyMap<string, string>): Paths | undefined {
    const renamings: number[] = [], products: number[] = [];
    const cuts = new Map<number, Cut>();
    for (const reader of this.readers[id] ?? []) {
      const node = this.graph.nodes[reader];
      if (node?.op === "contract" && node.a !== node.b) products.push(reader);
      else if (node?.op === "rename") {
        const further = this.paths(product, reader, new Map([...names].map(([from, to]) => [from, node.names.get(to) ?? to])));
        if (!further) return undefined;
        renamings.push(reader, ...further.renamings);
        products.push(...further.products);
        for (const [slice, cut] of further.cuts) cuts.set(slice, cut);
      } else {
        const cut = node?.op === "slice" ? this.cut(product, node, names) : undefined;
        if (!cut) return undefined;
        cuts.set(reader, cut);
      }
    }
    return { renamings, products, cuts };
  }
  private cut(product: Contraction, slice: Slice, names: ReadonlyMap<string, string>): Cut | undefined {
    const axis = [...names].find(([, to]) => to === slice.axis)?.[0];
    const has = (id: number): boolean => hasAxis(this.graph.nodes[id]?.axes ?? [], axis ?? "");
    if (axis === undefined || has(product.a) === has(product.b)) return undefined;
    const [sliced, other] = has(product.a) ? [product.a, product.b] : [product.b, product.a];
    return { product, sliced, other, axis, names };
  }
  /** The product at the end of the chain in which this one stands. */
  private root(id: number): number {
    return this.inner.has(id) ? this.root(this.readers[id]?.[0] as number) : id;
  }
  private best(root: number, inner: ReadonlySet<number>): number {
    const node = this.graph.nodes[root];
    if (node?.op !== "contract") return Number.POSITIVE_INFINITY;
    const chain = new Chain(this.graph, inner, node);
    return chain.factors.length > mostFactors ? Number.POSITIVE_INFINITY : new Costs(chain, node).best(chain.factors.length).cost;
  }
  private consider(product: Contraction): void {
    const paths = this.paths(product, product.id, new Map(product.axes.map((a) => [a.name, a.name])));
    if (!paths || paths.products.length === 0 || paths.products.length + paths.cuts.size < 2) return;
    const roots = [...new Set(paths.products.map((p) => this.root(p)))];
    const opened = new Set([...this.inner, product.id, ...paths.renamings]);
    const chains = (ids: readonly number[], inner: ReadonlySet<number>): number => ids.reduce((sum, id) => sum + this.best(id, inner), 0);
    const slices = [...paths.cuts.keys()].reduce((sum, id) => sum + this.sliceCost(product, this.graph.nodes[id] as Slice), 0);
    const after = chains(roots, opened) + slices;
    // Chains of too many factors cost infinity.
    if (!Number.isFinite(after) || after > (1 - leastGain) * chains([product.id, ...roots], this.inner)) return;
    for (const id of opened) this.inner.add(id);
    for (const [slice, cut] of paths.cuts) this.cuts.set(slice, cut);
  }
  private sliceCost(product: Contraction, slice: Slice): number {
    const summed = (this.graph.nodes[product.a]?.axes ?? []).filter((a) => product.over.includes(a.name));
    return nominal([...slice.axes, ...summed].reduce((p, a) => dimMultiply(p, a.size), one));
  }
}
function rule(graph: Graph): RewriteRule {
  const { inner, cuts } = new SharedProducts(graph, innerProducts(graph));
  return (node, { builder: b, of }) => {
    const cut = node.op === "slice" ? cuts.get(node.id) : undefined;
    if (cut && node.op === "slice") {
      const part = b.slice(of(cut.sliced), cut.axis, node.from, node.to);
      return b.rename(b.contract(part, of(cut.other), cut.product.over), cut.names);
    }
    if (node.op !== "contract" || inner.has(node.id)) return undefined;
    const chain = new Chain(graph, inner, node);
    if (chain.factors.length < 3 || chain.factors.length > mostFactors) return undefined;
    const costs = new Costs(chain, node);
    const best = costs.best(chain.factors.length);
    if (best.cost > (1 - leastGain) * costs.of(chain.written).cost) return undefined;
    const factors = chain.factors.map((f) => b.rename(of(f.id), f.names));
    return multiplied(b, best.order, factors, costs).node;
  };
}

export const reassociate: Pass = {
  name: "reassociate", level: 1,
  why: "a chain of products is multiplied in its cheapest order, also where its factors come from several steps",
  run: (graph) => rewriteGraph(graph, rule(graph)),
};
