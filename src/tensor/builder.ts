/**
 * How is a tensor graph written down? Each method infers axes and type, simplifies by what always holds, and gives the
 * node's id; equal nodes are one node. Passes, the lowering and reverse mode all build through here.
 */
import { type Dim, dimAdd, dimMultiply, dimSubtract, dimValue, one } from "../expression/dim.js";
import { evaluateNode } from "./evaluate-graph.js";
import type {
  Axis, BinaryFunction, ElementType, Graph, ReduceFunction, TensorNode, TensorOp, UnaryFunction,
} from "./graph.js";

/** Results of constants are computed while building up to this many entries. */
const largestFolded = 1024;
const comparisons: ReadonlySet<BinaryFunction> = new Set(["equal", "less", "less_equal", "greater", "greater_equal"]);
const commutative: ReadonlySet<BinaryFunction> = new Set(["add", "multiply", "max", "min", "equal"]);
/** Functions that keep whole numbers whole. */
const wholeUnary: ReadonlySet<UnaryFunction> = new Set(["negate", "abs", "sign", "relu", "square"]);

/** The axes of all operands, each name once, in the order in which they are met; "batch" first. */
export function unionAxes(...lists: readonly (readonly Axis[])[]): readonly Axis[] {
  const found = new Map<string, Axis>();
  for (const axes of lists) for (const a of axes) if (!found.has(a.name)) found.set(a.name, a);
  const batch = found.get("batch");
  if (!batch) return [...found.values()];
  found.delete("batch");
  return [batch, ...found.values()];
}
export const hasAxis = (axes: readonly Axis[], name: string): boolean => axes.some((a) => a.name === name);
const within = (inner: readonly Axis[], outer: readonly Axis[]): boolean => inner.every((a) => hasAxis(outer, a.name));

/** The count of entries as a size. */
export function sizeOf(axes: readonly Axis[]): Dim {
  return axes.reduce((product, a) => dimMultiply(product, a.size), one);
}

function payloadKey(op: TensorOp): string {
  return JSON.stringify(op, (_, value: unknown) => {
    if (value instanceof Map) return [...(value as Map<string, string>).entries()].sort();
    if (value instanceof Float64Array) return [...value].map(String);
    if (typeof value === "number" && !Number.isFinite(value)) return String(value);
    if (typeof value === "object" && value !== null && "terms" in value) return (value as Dim).key;
    return value;
  });
}
/** The ids of a node's operands, in order. */
export function operandsOf(op: TensorOp): readonly number[] {
  switch (op.op) {
    case "input": case "parameter": case "constant": case "fill": case "iota": case "size": return [];
    case "binary": case "contract": return [op.a, op.b];
    case "select": return [op.condition, op.a, op.b];
    case "concat": return op.parts;
    case "gather": return [op.table, op.indices];
    case "scatter_add": return [op.x, op.indices];
    default: return [op.x];
  }
}
/** The same operation on other operands. */
export function mapOperands<N extends TensorOp>(op: N, f: (id: number) => number): N {
  switch (op.op) {
    case "input": case "parameter": case "constant": case "fill": case "iota": case "size": return op;
    case "binary": case "contract": return { ...op, a: f(op.a), b: f(op.b) };
    case "select": return { ...op, condition: f(op.condition), a: f(op.a), b: f(op.b) };
    case "concat": return { ...op, parts: op.parts.map(f) };
    case "gather": return { ...op, table: f(op.table), indices: f(op.indices) };
    case "scatter_add": return { ...op, x: f(op.x), indices: f(op.indices) };
    default: return { ...op, x: f(op.x) };
  }
}

export class GraphBuilder {
  readonly nodes: TensorNode[] = [];
  /** Where the nodes made from now on stand: `block.3/compress`. */
  path = "";
  private readonly known = new Map<string, number>();

  /** A builder that goes on from a graph; ids of its nodes stay as they are. */
  static from(graph: Graph): GraphBuilder {
    const builder = new GraphBuilder();
    for (const node of graph.nodes) {
      builder.nodes.push(node);
      builder.path = node.path;
      const key = builder.key(node, node.axes, node.type);
      if (!builder.known.has(key)) builder.known.set(key, node.id);
    }
    builder.path = "";
    return builder;
  }
  private key(op: TensorOp, axes: readonly Axis[], type: ElementType): string {
    const { id: _id, axes: _axes, type: _type, path: _path, label: _label, ...payload } = op as TensorNode;
    // Two dropouts draw each for itself; what distinguishes them is where they stand.
    const place = op.op === "dropout" ? this.path : "";
    return `${payloadKey(payload as TensorOp)}|${axes.map((a) => `${a.name}:${a.size.key}`).join(",")}|${type}|${place}`;
  }
  private make(op: TensorOp, axes: readonly Axis[], type: ElementType, label = ""): number {
    const folded = this.foldConstants(op, axes, type);
    if (folded !== undefined) return folded;
    const key = this.key(op, axes, type);
    const before = this.known.get(key);
    if (before !== undefined) return before;
    const id = this.nodes.length;
    this.nodes.push({ ...op, id, axes, type, path: this.path, label });
    this.known.set(key, id);
    return id;
  }
  private foldConstants(op: TensorOp, axes: readonly Axis[], type: ElementType): number | undefined {
    const operands = operandsOf(op).map((id) => this.node(id));
    if (operands.length === 0 || op.op === "dropout") return undefined;
    if (!operands.every((n) => n.op === "constant" || n.op === "fill" || n.op === "iota")) return undefined;
    const sizes = [...axes, ...operands.flatMap((n) => n.axes)].map((a) => dimValue(a.size));
    if (sizes.some((s) => s === undefined)) return undefined;
    const small = [axes, ...operands.map((n) => n.axes)].every((list) => (dimValue(sizeOf(list)) ?? Infinity) <= largestFolded);
    if (!small) return undefined;
    const values = new Map(operands.map((n) => [n.id, evaluateNode(n, (id) => { throw new Error(`operand ${id}`); }, new Map())]));
    const node = { ...op, id: -1, axes, type, path: "", label: "" } as TensorNode;
    const value = evaluateNode(node, (id) => values.get(id) ?? { axes: [], sizes: [], data: new Float64Array(0) }, new Map());
    return this.constant(value.data, axes, type);
  }

  node(id: number): TensorNode {
    const node = this.nodes[id];
    if (!node) throw new Error(`no node ${id}`);
    return node;
  }
  axes(id: number): readonly Axis[] {
    return this.node(id).axes;
  }
  axis(id: number, name: string): Axis {
    const axis = this.axes(id).find((a) => a.name === name);
    if (!axis) throw new Error(`node ${id} (${this.node(id).op}) has no axis ${name}: ${this.axes(id).map((a) => a.name).join(", ")}`);
    return axis;
  }
  has(id: number, name: string): boolean {
    return hasAxis(this.axes(id), name);
  }
  /** The number, if the node is the same number everywhere. */
  fillValue(id: number): number | undefined {
    const node = this.node(id);
    return node.op === "fill" ? node.value : undefined;
  }
  /** Gives a node a name and a place; leaves, and nodes named before, keep theirs. */
  name(id: number, label: string): void {
    const node = this.node(id);
    if (node.op === "rename") this.name(node.x, label);
    // A step's own name beats that of a part of it: the iterate of FISTA is what the step gives.
    const free = node.label === "" || node.label.startsWith(`${label}.`);
    if (free && node.op !== "fill" && node.op !== "constant") this.nodes[id] = { ...node, label, path: this.path || node.path };
  }

  // ------------------------------------------------------------ leaves
  input(name: string, axes: readonly Axis[], type: ElementType): number {
    return this.make({ op: "input", name }, axes, type, name);
  }
  parameter(name: string, axes: readonly Axis[]): number {
    return this.make({ op: "parameter", name }, axes, "float", name);
  }
  /** Row-major over axes; the same number everywhere becomes a fill. */
  constant(data: Float64Array, axes: readonly Axis[], type: ElementType = "float"): number {
    const first = data[0];
    if (first !== undefined && data.every((v) => Object.is(v, first))) return this.fill(first, axes, type);
    return this.make({ op: "constant", data }, axes, type);
  }
  fill(value: number, axes: readonly Axis[] = [], type: ElementType = "float"): number {
    return this.make({ op: "fill", value: value === 0 ? 0 : value }, axes, type);
  }
  /** 0, 1, 2, … as ints. */
  iota(axis: Axis): number {
    return this.make({ op: "iota" }, [axis], "int");
  }
  /** A size as a float scalar: a number where it is known. */
  size(of: Dim): number {
    const value = dimValue(of);
    return value === undefined ? this.make({ op: "size", of }, [], "float") : this.fill(value);
  }

  // ------------------------------------------------------------ entry by entry
  unary(fn: UnaryFunction, x: number): number {
    const node = this.node(x);
    if (fn === "negate") {
      if (node.op === "unary" && node.fn === "negate") return node.x;
      if (node.op === "binary" && node.fn === "subtract") return this.binary("subtract", node.b, node.a);
    }
    const type = node.type === "int" && wholeUnary.has(fn) ? "int" : "float";
    const operand = type === "float" ? this.cast(x, "float") : x;
    if (node.op === "fill") return this.fill(evaluateUnaryFill(fn, node.value), node.axes, type);
    if (node.op === "rename") return this.rename(this.unary(fn, node.x), node.names);
    return this.make({ op: "unary", fn, x: operand }, node.axes, type);
  }
  binary(fn: BinaryFunction, a: number, b: number): number {
    if (this.node(a).type !== this.node(b).type) return this.binary(fn, this.cast(a, "float"), this.cast(b, "float"));
    const whole = this.node(a).type === "int" && fn !== "divide" && fn !== "power";
    const [left, right] = whole ? [a, b] : [this.cast(a, "float"), this.cast(b, "float")];
    return this.simplifiedBinary(fn, left, right, whole && !comparisons.has(fn) ? "int" : "float");
  }
  private simplifiedBinary(fn: BinaryFunction, a: number, b: number, type: ElementType): number {
    const [x, y] = [this.node(a), this.node(b)];
    // A fill beside axes that cover its own is a plain number.
    if (x.op === "fill" && x.axes.length > 0 && within(x.axes, y.axes)) return this.simplifiedBinary(fn, this.fill(x.value, [], x.type), b, type);
    if (y.op === "fill" && y.axes.length > 0 && within(y.axes, x.axes)) return this.simplifiedBinary(fn, a, this.fill(y.value, [], y.type), type);
    const axes = unionAxes(x.axes, y.axes);
    if (x.op === "fill" && y.op === "fill") return this.fill(evaluateBinaryFill(fn, x.value, y.value), axes, type);
    if (commutative.has(fn) && x.op === "fill" && y.op !== "fill") return this.simplifiedBinary(fn, b, a, type);
    const c = y.op === "fill" ? y.value : undefined;
    const spreads = c !== undefined && !within(y.axes, x.axes);
    if (c !== undefined && !spreads) {
      const simpler = this.withNumber(fn, a, c, type);
      if (simpler !== undefined) return simpler;
    }
    if (c === 0 && fn === "multiply") return this.fill(0, axes, type);
    if (x.op === "fill" && within(x.axes, y.axes)) {
      if (fn === "subtract" && x.value === 0) return this.unary("negate", b);
      if (fn === "divide" && x.value === 1) return this.unary("reciprocal", b);
      if (fn === "divide" && x.value === 0) return this.fill(0, axes, type);
    }
    if (fn === "add" && y.op === "unary" && y.fn === "negate") return this.binary("subtract", a, y.x);
    if (fn === "add" && x.op === "unary" && x.fn === "negate") return this.binary("subtract", b, x.x);
    if (fn === "subtract" && y.op === "unary" && y.fn === "negate") return this.binary("add", a, y.x);
    if (fn === "subtract" && a === b) return this.fill(0, axes, type);
    if (fn === "multiply" && a === b) return this.unary("square", a);
    if ((fn === "multiply" || fn === "divide") && x.op === "unary" && x.fn === "negate") return this.unary("negate", this.binary(fn, x.x, b));
    if ((fn === "multiply" || fn === "divide") && y.op === "unary" && y.fn === "negate") return this.unary("negate", this.binary(fn, a, y.x));
    if (fn === "multiply" && y.op === "unary" && y.fn === "reciprocal") return this.binary("divide", a, y.x);
    if (fn === "multiply" && x.op === "unary" && x.fn === "reciprocal") return this.binary("divide", b, x.x);
    const outside = this.renamesOf([a, b], []);
    if (outside) return this.rename(this.binary(fn, outside.operands[0] as number, outside.operands[1] as number), outside.names);
    const [first, second] = commutative.has(fn) && y.op !== "fill" && b < a ? [b, a] : [a, b];
    return this.make({ op: "binary", fn, a: first, b: second }, axes, type);
  }
  /** fn(a, c) for one number c that spreads over nothing new. */
  private withNumber(fn: BinaryFunction, a: number, c: number, type: ElementType): number | undefined {
    const x = this.node(a);
    switch (fn) {
      case "add":
        if (c === 0) return a;
        if (c < 0) return this.withNumber("subtract", a, -c, type) ?? this.make({ op: "binary", fn: "subtract", a, b: this.fill(-c, [], type) }, x.axes, type);
        return this.shiftedAgain(a, c, type);
      case "subtract":
        if (c === 0) return a;
        if (c < 0) return this.binary("add", a, this.fill(-c, [], type));
        return this.shiftedAgain(a, -c, type);
      case "multiply": {
        if (c === 1) return a;
        if (c === 0) return this.fill(0, x.axes, type);
        if (c === -1) return this.unary("negate", a);
        if (x.op === "unary" && x.fn === "negate") return this.binary("multiply", x.x, this.fill(-c, [], type));
        const inner = this.scalingOf(a);
        return inner ? this.binary("multiply", inner.x, this.fill(inner.factor * c, [], type)) : undefined;
      }
      case "divide": return Number.isFinite(1 / c) ? this.binary("multiply", a, this.fill(1 / c)) : undefined;
      case "power":
        if (c === 0) return this.fill(1, x.axes);
        if (c === 1) return a;
        if (c === 2) return this.unary("square", a);
        if (c === 3) return this.binary("multiply", this.unary("square", a), a);
        if (c === 0.5) return this.unary("sqrt", a);
        if (c === -0.5) return this.unary("reciprocal", this.unary("sqrt", a));
        if (c < 0 && Number.isInteger(c)) return this.unary("reciprocal", this.binary("power", a, this.fill(-c)));
        return undefined;
      default: return undefined;
    }
  }
  private scalingOf(a: number): { x: number; factor: number } | undefined {
    const node = this.node(a);
    if (node.op !== "binary" || node.fn !== "multiply") return undefined;
    const by = this.node(node.b);
    return by.op === "fill" && within(by.axes, this.axes(node.a)) ? { x: node.a, factor: by.value } : undefined;
  }
  /** (x ± c) + d is x + (d ± c); only for ints, where it loses nothing, and for casts of them. */
  private shiftedAgain(a: number, d: number, type: ElementType): number | undefined {
    const node = this.node(a);
    if (node.op !== "binary" || (node.fn !== "add" && node.fn !== "subtract")) return undefined;
    const c = this.fillValue(node.b);
    if (c === undefined || !Number.isInteger(c) || !Number.isInteger(d) || !within(this.axes(node.b), this.axes(node.a))) return undefined;
    return this.binary("add", node.a, this.fill(d + (node.fn === "add" ? c : -c), [], type));
  }
  select(condition: number, a: number, b: number): number {
    const c = this.node(condition);
    const axes = unionAxes(c.axes, this.axes(a), this.axes(b));
    if (c.op === "fill") return this.spread(c.value !== 0 ? a : b, axes);
    const [left, right] = this.node(a).type === this.node(b).type ? [a, b] : [this.cast(a, "float"), this.cast(b, "float")];
    if (left === right) return this.spread(left, axes);
    return this.make({ op: "select", condition, a: left, b: right }, axes, this.node(left).type);
  }
  /** The operand with all of these axes: it is repeated along those that it lacks. */
  spread(x: number, axes: readonly Axis[]): number {
    const missing = axes.filter((a) => !this.has(x, a.name));
    if (missing.length === 0) return x;
    const node = this.node(x);
    if (node.op === "fill") return this.fill(node.value, unionAxes(node.axes, missing), node.type);
    return this.make({ op: "binary", fn: "multiply", a: x, b: this.fill(1, missing, node.type) }, unionAxes(node.axes, missing), node.type);
  }
  cast(x: number, to: ElementType): number {
    const node = this.node(x);
    if (node.type === to) return x;
    if (node.op === "fill") return this.fill(to === "int" ? Math.trunc(node.value) : node.value, node.axes, to);
    if (node.op === "cast" && to === "int" && this.node(node.x).type === "int") return node.x;
    return this.make({ op: "cast", x, to }, node.axes, to);
  }

  // ------------------------------------------------------------ sums
  /** Σ over names of a·b. Names that one side lacks are summed on the other side alone, or counted. */
  contract(a: number, b: number, over: readonly string[]): number {
    const onlyA = over.filter((n) => this.has(a, n) && !this.has(b, n));
    const onlyB = over.filter((n) => this.has(b, n) && !this.has(a, n));
    const both = over.filter((n) => this.has(a, n) && this.has(b, n));
    if (onlyA.length > 0) return this.contract(this.reduce("sum", a, onlyA), b, [...onlyB, ...both]);
    if (onlyB.length > 0) return this.contract(a, this.reduce("sum", b, onlyB), both);
    if (both.length === 0) return this.binary("multiply", a, b);
    const [x, y] = [this.node(a), this.node(b)];
    if (x.op === "fill" && y.op !== "fill") return this.contract(b, a, both);
    if (y.op === "fill") {
      const summed = this.binary("multiply", this.reduce("sum", a, both), this.fill(y.value));
      return this.spread(summed, y.axes.filter((axis) => !both.includes(axis.name)));
    }
    // A product spread along a contracted name by ones is summed on the other side.
    const [freeA, freeB] = [this.withoutSpread(a, both), this.withoutSpread(b, both)];
    if (freeA !== a || freeB !== b) return this.contract(freeA, freeB, both);
    const outside = this.renamesOf([a, b], both);
    if (outside) return this.rename(this.contract(outside.operands[0] as number, outside.operands[1] as number, outside.inside), outside.names);
    const summed = new Set(both);
    const kept = (axes: readonly Axis[]): readonly Axis[] => axes.filter((axis) => !summed.has(axis.name));
    const shared = kept(x.axes).filter((axis) => hasAxis(y.axes, axis.name));
    // One order of operands: what has the batch comes first.
    const [batchA, batchB] = [hasAxis(x.axes, "batch"), hasAxis(y.axes, "batch")];
    const [first, second] = batchA !== batchB ? (batchA ? [x, y] : [y, x]) : a <= b ? [x, y] : [y, x];
    return this.make({ op: "contract", a: first.id, b: second.id, over: [...both].sort() }, unionAxes(shared, kept(first.axes), kept(second.axes)), "float");
  }
  /**
   * Renaming after an operation instead of before it, so that operations on one value under two names are one node. `inside` names the
   * axes that the operation uses up; undefined where nothing is renamed, or the old names would clash.
   */
  private renamesOf(operands: readonly number[], inside: readonly string[]): {
    readonly operands: readonly number[]; readonly inside: readonly string[]; readonly names: ReadonlyMap<string, string>;
  } | undefined {
    if (!operands.some((id) => this.node(id).op === "rename")) return undefined;
    const before = new Map<string, string>(), after = new Map<string, string>();
    const bare = operands.map((id) => {
      const node = this.node(id);
      return node.op === "rename" ? node.x : id;
    });
    for (const [i, id] of operands.entries()) {
      const node = this.node(id);
      for (const old of this.axes(bare[i] as number)) {
        const now = node.op === "rename" ? (node.names.get(old.name) ?? old.name) : old.name;
        // One old name for each new one, and one new name for each old one, over all operands.
        if ((before.get(now) ?? old.name) !== old.name || (after.get(old.name) ?? now) !== now) return undefined;
        before.set(now, old.name);
        after.set(old.name, now);
      }
    }
    const used = inside.map((n) => before.get(n) ?? n);
    const names = new Map([...after].filter(([old, now]) => old !== now && !used.includes(old)));
    return { operands: bare, inside: used, names };
  }
  /** x without a multiplication by ones that did nothing but spread it along some of these names. */
  private withoutSpread(x: number, names: readonly string[]): number {
    const node = this.node(x);
    if (node.op !== "binary" || node.fn !== "multiply") return x;
    const by = this.node(node.b);
    if (by.op !== "fill" || by.value !== 1 || !by.axes.some((a) => names.includes(a.name) && !this.has(node.a, a.name))) return x;
    return this.spread(node.a, by.axes.filter((a) => !names.includes(a.name)));
  }
  reduce(fn: ReduceFunction, x: number, over: readonly string[]): number {
    if (over.length === 0) return x;
    const node = this.node(x);
    const names = new Set(over);
    const gone = node.axes.filter((a) => names.has(a.name));
    if (gone.length !== names.size) throw new Error(`reduce over ${over.join(", ")} of ${node.axes.map((a) => a.name).join(", ")}`);
    const axes = node.axes.filter((a) => !names.has(a.name));
    if (node.op === "fill") {
      const count = dimValue(sizeOf(gone));
      if (fn !== "sum") return this.fill(node.value, axes, node.type);
      if (count !== undefined) return this.fill(node.value * count, axes);
      return this.spread(this.binary("multiply", this.size(sizeOf(gone)), this.fill(node.value)), axes);
    }
    if (node.op === "rename") {
      const back = new Map([...node.names].map(([from, to]) => [to, from]));
      return this.rename(this.reduce(fn, node.x, over.map((n) => back.get(n) ?? n)), node.names);
    }
    const pushed = fn === "sum" ? this.sumOf(node, names) : undefined;
    if (pushed !== undefined) return pushed;
    if (node.op === "reduce" && node.fn === fn) return this.reduce(fn, node.x, [...node.over, ...over]);
    return this.make({ op: "reduce", fn, x: this.cast(x, "float"), over: [...over].sort() }, axes, "float");
  }
  /** Σ of a product or contraction, with each name summed as deep as it goes. */
  private sumOf(node: TensorNode, names: ReadonlySet<string>): number | undefined {
    const over = [...names];
    if (node.op === "unary" && node.fn === "negate") return this.unary("negate", this.reduce("sum", node.x, over));
    if (node.op === "contract") return this.contract(node.a, node.b, [...node.over, ...over]);
    if (node.op === "binary" && node.fn === "divide" && !over.some((n) => this.has(node.b, n))) {
      return this.binary("divide", this.reduce("sum", node.a, over), node.b);
    }
    if (node.op !== "binary" || node.fn !== "multiply") return undefined;
    return this.sumOfProduct(node.a, node.b, over);
  }
  /** Σ a·b: names of one side are summed there; what is left is a contraction where each side has axes of its own. */
  private sumOfProduct(a: number, b: number, over: readonly string[]): number | undefined {
    const both = over.filter((n) => this.has(a, n) && this.has(b, n));
    const left = this.reduce("sum", a, over.filter((n) => !both.includes(n) && this.has(a, n)));
    const right = this.reduce("sum", b, over.filter((n) => !both.includes(n) && this.has(b, n)));
    if (both.length === 0) return this.binary("multiply", left, right);
    const own = (p: number, q: number): boolean => this.axes(p).some((axis) => !this.has(q, axis.name));
    if (own(left, right) && own(right, left)) return this.contract(left, right, both);
    // An entrywise product stays one.
    return left === a && right === b ? undefined : this.reduce("sum", this.binary("multiply", left, right), both);
  }
  /** The operand of a renaming, and an axis's name there. */
  private alongBare(x: number, over: string): { readonly x: number; readonly name: string; readonly names: ReadonlyMap<string, string> } | undefined {
    const node = this.node(x);
    if (node.op !== "rename") return undefined;
    return { x: node.x, name: [...node.names].find(([, to]) => to === over)?.[0] ?? over, names: node.names };
  }
  softmax(x: number, over: string): number {
    this.axis(x, over);
    const bare = this.alongBare(x, over);
    if (bare) return this.rename(this.softmax(bare.x, bare.name), bare.names);
    return this.make({ op: "softmax", x, over }, this.axes(x), "float", "softmax");
  }
  logSoftmax(x: number, over: string): number {
    this.axis(x, over);
    const bare = this.alongBare(x, over);
    if (bare) return this.rename(this.logSoftmax(bare.x, bare.name), bare.names);
    return this.make({ op: "log_softmax", x, over }, this.axes(x), "float", "log_softmax");
  }
  standardize(x: number, over: string, eps: number, centred: boolean): number {
    this.axis(x, over);
    const bare = this.alongBare(x, over);
    if (bare) return this.rename(this.standardize(bare.x, bare.name, eps, centred), bare.names);
    return this.make({ op: "standardize", x, over, eps, centred }, this.axes(x), "float", centred ? "standardize" : "rms_standardize");
  }
  cumsum(x: number, axis: string, reverse = false): number {
    this.axis(x, axis);
    return this.make({ op: "cumsum", x, axis, reverse }, this.axes(x), this.node(x).type);
  }

  // ------------------------------------------------------------ places
  /** Names that the operand lacks are ignored. */
  rename(x: number, given: ReadonlyMap<string, string>): number {
    const node = this.node(x);
    const names = new Map([...given].filter(([from, to]) => from !== to && hasAxis(node.axes, from)));
    if (names.size === 0) return x;
    if (node.op === "rename") {
      const composed = new Map(node.names);
      const back = new Map([...node.names].map(([from, to]) => [to, from]));
      for (const [from, to] of names) composed.set(back.get(from) ?? from, to);
      return this.rename(node.x, composed);
    }
    const axes = node.axes.map((a) => ({ ...a, name: names.get(a.name) ?? a.name }));
    if (new Set(axes.map((a) => a.name)).size < axes.length) throw new Error(`rename gives one name twice: ${axes.map((a) => a.name).join(", ")}`);
    if (node.op === "fill" || node.op === "iota" || node.op === "constant") {
      const { id: _id, axes: _axes, path: _path, label: _label, type, ...op } = node;
      return this.make(op as TensorOp, axes, type);
    }
    return this.make({ op: "rename", x, names }, axes, node.type);
  }
  /** Entries from…to−1 of one axis. */
  slice(x: number, name: string, from: Dim, to: Dim): number {
    const axis = this.axis(x, name);
    if (from.key === "0" && to.key === axis.size.key) return x;
    const axes = this.axes(x).map((a) => (a.name === name ? { name, size: dimSubtract(to, from) } : a));
    const node = this.node(x);
    if (node.op === "fill") return this.fill(node.value, axes, node.type);
    return this.make({ op: "slice", x, axis: name, from, to }, axes, node.type);
  }
  /** Parts side by side; each has the axis already, other axes are spread. */
  concat(parts: readonly number[], name: string): number {
    const [only] = parts;
    if (parts.length === 1 && only !== undefined) return only;
    const others = unionAxes(...parts.map((p) => this.axes(p))).filter((a) => a.name !== name);
    const type = parts.every((p) => this.node(p).type === "int") ? "int" : "float";
    const full = parts.map((p) => this.spread(this.cast(p, type), others));
    const size = parts.map((p) => this.axis(p, name).size).reduce(dimAdd);
    return this.make({ op: "concat", parts: full, axis: name }, unionAxes(others, [{ name, size }]), type);
  }
  pad(x: number, name: string, before: Dim, after: Dim): number {
    const axis = this.axis(x, name);
    if (before.key === "0" && after.key === "0") return x;
    const size = dimAdd(axis.size, dimAdd(before, after));
    const axes = this.axes(x).map((a) => (a.name === name ? { name, size } : a));
    const node = this.node(x);
    if (node.op === "fill" && node.value === 0) return this.fill(0, axes, node.type);
    return this.make({ op: "pad", x, axis: name, before, after }, axes, node.type);
  }
  split(x: number, name: string, into: readonly Axis[]): number {
    this.axis(x, name);
    const axes = this.axes(x).flatMap((a) => (a.name === name ? into : [a]));
    const [only] = into;
    if (into.length === 1 && only) return this.rename(x, new Map([[name, only.name]]));
    const node = this.node(x);
    if (node.op === "fill") return this.fill(node.value, axes, node.type);
    return this.make({ op: "split", x, axis: name, into }, axes, node.type);
  }
  merge(x: number, from: readonly string[], into: string): number {
    const merged = from.map((n) => this.axis(x, n));
    const [only] = from;
    if (from.length === 1 && only !== undefined) return this.rename(x, new Map([[only, into]]));
    const axis = { name: into, size: sizeOf(merged) };
    const first = this.axes(x).findIndex((a) => from.includes(a.name));
    const axes = this.axes(x).flatMap((a, i) => (i === first ? [axis] : from.includes(a.name) ? [] : [a]));
    const node = this.node(x);
    if (node.op === "fill") return this.fill(node.value, axes, node.type);
    if (node.op === "split" && node.axis === into && from.length === node.into.length && from.every((n, i) => n === node.into[i]?.name)) return node.x;
    return this.make({ op: "merge", x, from, into: axis }, axes, node.type);
  }
  gather(table: number, indices: number, name: string): number {
    this.axis(table, name);
    const whole = this.cast(indices, "int");
    const rest = this.axes(table).filter((a) => a.name !== name);
    return this.make({ op: "gather", table, indices: whole, axis: name }, unionAxes(this.axes(whole), rest), this.node(table).type);
  }
  scatterAdd(x: number, indices: number, axis: Axis): number {
    const whole = this.cast(indices, "int");
    const rest = this.axes(x).filter((a) => !this.has(whole, a.name));
    return this.make({ op: "scatter_add", x: this.spread(x, this.axes(whole)), indices: whole, axis }, unionAxes([axis], rest), this.node(x).type);
  }
  /** Entries where axes a and b agree; a stays. */
  diagonal(x: number, a: string, b: string): number {
    this.axis(x, a);
    this.axis(x, b);
    const node = this.node(x);
    const axes = node.axes.filter((axis) => axis.name !== b);
    if (node.op === "fill") return this.fill(node.value, axes, node.type);
    return this.make({ op: "diagonal", x, a, b }, axes, node.type);
  }
  stop(x: number): number {
    const node = this.node(x);
    if (node.op === "fill" || node.op === "constant" || node.op === "stop" || node.op === "iota" || node.op === "size") return x;
    return this.make({ op: "stop", x }, node.axes, node.type);
  }
  /** x times a mask that dropout makes of ones: so forward and backward use one mask. */
  dropout(x: number, rate: number): number {
    if (rate === 0) return x;
    const mask = this.make({ op: "dropout", x: this.fill(1, this.axes(x)), rate }, this.axes(x), "float", "dropout");
    return this.binary("multiply", x, mask);
  }

  /** 1 where both axes have the same position, else 0. */
  identity(row: Axis, col: Axis): number {
    return this.binary("equal", this.iota(row), this.iota(col));
  }
  /** The node built again from an operation of a graph, through the simplifying methods. */
  rebuild(op: TensorOp, axes: readonly Axis[], type: ElementType, label = ""): number {
    switch (op.op) {
      case "input": case "parameter": return this.make(op, axes, type, label);
      case "constant": return this.constant(op.data, axes, type);
      case "fill": return this.fill(op.value, axes, type);
      case "iota": return this.iota(axes[0] as Axis);
      case "size": return this.size(op.of);
      case "unary": return this.unary(op.fn, op.x);
      case "binary": return this.binary(op.fn, op.a, op.b);
      case "select": return this.select(op.condition, op.a, op.b);
      case "contract": return this.contract(op.a, op.b, op.over);
      case "reduce": return this.reduce(op.fn, op.x, op.over);
      case "softmax": return this.softmax(op.x, op.over);
      case "log_softmax": return this.logSoftmax(op.x, op.over);
      case "standardize": return this.standardize(op.x, op.over, op.eps, op.centred);
      case "rename": return this.rename(op.x, op.names);
      case "slice": return this.slice(op.x, op.axis, op.from, op.to);
      case "concat": return this.concat(op.parts, op.axis);
      case "pad": return this.pad(op.x, op.axis, op.before, op.after);
      case "split": return this.split(op.x, op.axis, op.into);
      case "merge": return this.merge(op.x, op.from, op.into.name);
      case "gather": return this.gather(op.table, op.indices, op.axis);
      case "scatter_add": return this.scatterAdd(op.x, op.indices, op.axis);
      case "cumsum": return this.cumsum(op.x, op.axis, op.reverse);
      case "diagonal": return this.diagonal(op.x, op.a, op.b);
      case "stop": return this.stop(op.x);
      case "dropout": return this.make(op, axes, type, label);
      case "cast": return this.cast(op.x, op.to);
    }
  }
  /** What the outputs need, renumbered; `keep` lists further nodes to keep (inputs that nothing reads). */
  finish(outputs: Graph["outputs"], keep: readonly number[] = []): Graph {
    return prune({ nodes: this.nodes, outputs }, keep);
  }
}

/** The graph without what no output needs; nodes keep their order. */
export function prune(graph: Graph, keep: readonly number[] = []): Graph {
  const needed = new Set<number>([...keep, ...graph.outputs.map((o) => o.node)]);
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id];
    if (node && needed.has(id)) for (const operand of operandsOf(node)) needed.add(operand);
  }
  const renumbered = new Map<number, number>();
  const nodes: TensorNode[] = [];
  for (const node of graph.nodes) {
    if (!needed.has(node.id)) continue;
    renumbered.set(node.id, nodes.length);
    nodes.push({ ...mapOperands(node, (id) => renumbered.get(id) ?? -1), id: nodes.length });
  }
  return { nodes, outputs: graph.outputs.map((o) => ({ ...o, node: renumbered.get(o.node) ?? -1 })) };
}

function evaluateUnaryFill(fn: UnaryFunction, value: number): number {
  const node = { op: "unary", fn, x: 0, id: 1, axes: [], type: "float", path: "", label: "" } as const;
  return evaluateNode(node, () => ({ axes: [], sizes: [], data: Float64Array.of(value) }), new Map()).data[0] ?? Number.NaN;
}
function evaluateBinaryFill(fn: BinaryFunction, a: number, b: number): number {
  const node = { op: "binary", fn, a: 0, b: 1, id: 2, axes: [], type: "float", path: "", label: "" } as const;
  return evaluateNode(node, (id) => ({ axes: [], sizes: [], data: Float64Array.of(id === 0 ? a : b) }), new Map()).data[0] ?? Number.NaN;
}
