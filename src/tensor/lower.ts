/**
 * How does an unrolled network become a tensor graph? Each statement's expression is lowered to nodes with named axes: rows and columns
 * of a matrix are roles of axes, an index is one more axis, and the batch is an axis that values get where they need it.
 */
import { type Dim, dimNumber, dimSubstitute, dimSymbol, dimValue, isOne, showDim } from "../expression/dim.js";
import {
  add, type Expr, type IndexTerm, indexSum, type ProductExpr, scale, splitCoefficient, type SumExpr, type SymbolExpr, symbolsOf,
} from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import type {
  NetworkInput, NetworkParameter, UnrolledNetwork, UnrolledStatement, ValueType,
} from "../network/network.js";
import { sampleAxis, sizeName } from "../network/size-names.js";
import { addedNames, probeName } from "../runtime/wire-names.js";
import { GraphBuilder } from "./builder.js";
import type { Axis, Graph } from "./graph.js";
import { functionLowerings, lowerSlice } from "./lower-functions.js";
import {
  align, dropUnit, freshName, type FunctionLowering, type LowerContext, type Lowered, mapNode, NotLowerable, scalarOf, sumOver, turned,
} from "./lowered.js";
import { lowerInverse } from "./newton-schulz.js";
import { lowerChain } from "./product.js";

export interface LowerOptions {
  /** Also the variable after every step, under the statement's name. */
  readonly probe?: boolean;
  /** Also the scalar output `addedNames(network).loss`: the mean over the batch. */
  readonly loss?: boolean;
  /** Dropout drops. */
  readonly training?: boolean;
  /** Scalars besides, each an output under its name; those that have no lowering are left out. */
  readonly measures?: readonly Measure[];
  /** Captures are computed from the batch and are outputs under their parameters' names; later statements read them. */
  readonly construct?: boolean;
}
/** A scalar expression in the scope of a statement: what an audit asks of a network while it trains. */
export interface Measure {
  readonly name: string;
  readonly value: Expr;
  readonly names: ReadonlyMap<string, string>;
  readonly numbers: ReadonlyMap<string, number>;
}
const batchName = sampleAxis;
const batchSize = dimSymbol(batchName);

/** A value that expressions can name, with the index of the family that it is, if it is one. */
interface Named {
  readonly value: Lowered;
  readonly index?: string;
  /** Declared per sample: with a batch dim it is a column in expressions. */
  readonly perSample?: boolean;
}
/** What the symbols of one statement mean. */
interface Scope {
  readonly names: ReadonlyMap<string, string>;
  readonly numbers: ReadonlyMap<string, number>;
  readonly memory: Map<number, Lowered>;
  readonly definitions: Map<string, Lowered>;
}

class Lowering implements LowerContext {
  readonly builder = new GraphBuilder();
  readonly training: boolean;
  private readonly values = new Map<string, Named>();
  private readonly parameters: ReadonlyMap<string, NetworkParameter>;
  private readonly indexSizes: Map<string, Dim>;
  private readonly indexNames: Set<string>;
  private readonly inputShapes = new Map<string, Shape>();
  private scope: Scope = { names: new Map(), numbers: new Map(), memory: new Map(), definitions: new Map() };

  constructor(private readonly network: UnrolledNetwork, options: LowerOptions) {
    this.training = options.training ?? false;
    this.parameters = new Map(network.parameters.map((p) => [p.name, p]));
    this.indexSizes = new Map([...network.indices].map(([name, size]) => [name, dimNumber(size)]));
    for (const s of network.statements) for (const symbol of symbolsOf(s.value)) {
      if (symbol.role === "input" || symbol.role === "target") this.inputShapes.set(s.names.get(symbol.name) ?? symbol.name, symbol.shape);
    }
    this.indexNames = new Set([...network.indices.keys(), ...network.parameters.flatMap((p) => (p.family ? [p.family.index] : []))]);
  }

  // ------------------------------------------------------------ sizes and axes
  size(dim: Dim): Dim {
    return dimSubstitute(dim, (s) => {
      const value = this.network.dims.get(s) ?? this.network.dims.get(this.scope.names.get(s) ?? s);
      if (value !== undefined) return dimNumber(value);
      const name = sizeName(s, this.network);
      return name === s ? undefined : dimSymbol(name);
    });
  }
  rolesOf(shape: Shape): readonly (Axis | undefined)[] {
    const taken = new Set<string>();
    return shape.map((dim) => {
      const size = this.size(dim);
      if (isOne(size)) return undefined;
      const name = freshName(this.axisName(dim, size), taken);
      taken.add(name);
      return { name, size };
    });
  }
  /** A dim's own name, where batch and indices leave it free. */
  private axisName(dim: Dim, size: Dim, wanted = showDim(dim)): string {
    if (size.key === batchName) return batchName;
    const name = wanted.replaceAll(" ", "");
    if (name === batchName) return sizeName(name, this.network);
    return this.indexNames.has(name) ? `${name}_` : name;
  }
  positive(parameter: string): boolean {
    return this.parameters.get(parameter)?.positive ?? false;
  }

  // ------------------------------------------------------------ leaves
  /** The axes of a value on the wire: batch, then columns before rows; arrays as declared. */
  wireAxes(type: ValueType, names: readonly (string | undefined)[] = []): readonly Axis[] {
    const roles = this.wireRoles(type, names);
    const order = type.shape.length === 2 ? [roles[1], roles[0]] : roles;
    const axes = order.filter((a) => a !== undefined);
    if (axes.some((a) => a.name === batchName)) return [...axes.filter((a) => a.name === batchName), ...axes.filter((a) => a.name !== batchName)];
    return this.network.batchDim !== undefined && type.rank > 0 ? axes : [{ name: batchName, size: batchSize }, ...axes];
  }
  /** An axis for each dim that is on the wire, those of size 1 included. */
  wireRoles(type: ValueType, names: readonly (string | undefined)[] = []): readonly (Axis | undefined)[] {
    const taken = new Set<string>();
    return type.shape.map((dim, i) => {
      if (type.shape.length === 2 && i >= type.rank) return undefined;
      const size = this.size(dim);
      const name = freshName(this.axisName(dim, size, names[i]), taken);
      taken.add(name);
      return { name, size };
    });
  }
  /** What the expressions that read an input call its dims: types have numbers for them. */
  private inputAxisNames(input: string): readonly (string | undefined)[] {
    const known = this.inputShapes.get(input);
    return known ? known.map((d) => (dimValue(d) === undefined ? showDim(d) : undefined)) : [];
  }
  private withoutUnits(node: number, roles: readonly (Axis | undefined)[]): Lowered {
    let current = node;
    const kept = roles.map((role) => {
      if (!role) return undefined;
      const dropped = dropUnit(this.builder, current, role);
      current = dropped.node;
      return dropped.role;
    });
    return { node: current, roles: kept };
  }
  /** Labels and tokens count from 0 on the wire and from 1 in expressions. */
  addInput(input: NetworkInput): number {
    const b = this.builder;
    const whole = input.type.kind !== "real";
    const names = this.inputAxisNames(input.name);
    const node = b.input(input.name, this.wireAxes(input.type, names), whole ? "int" : "float");
    const value = whole ? b.binary("add", b.cast(node, "float"), b.fill(1)) : node;
    const roles = this.wireRoles(input.type, names);
    const perSample = this.network.batchDim !== undefined && input.type.rank === 0;
    this.values.set(input.name, { value: this.withoutUnits(value, roles), perSample });
    return node;
  }
  private parameter(p: NetworkParameter): Named {
    const known = this.values.get(p.name);
    if (known) return known;
    const taken = new Set<string>(p.family ? [p.family.index] : []);
    const axes = p.shape.slice(0, p.rank).map((dim, i) => {
      const size = this.size(dim);
      const declared = p.axisNames[i];
      const wanted = declared !== undefined && declared !== "" && !/^\d+$/.test(declared) && !this.indexNames.has(declared) && declared !== batchName
        ? declared.replaceAll(" ", "") : this.axisName(dim, size);
      const name = freshName(wanted, taken);
      taken.add(name);
      return { name, size };
    });
    const family = p.family ? [{ name: p.family.index, size: dimNumber(p.family.size) }] : [];
    const node = this.builder.parameter(p.name, [...family, ...axes]);
    const named = { value: this.withoutUnits(node, [axes[0], axes[1]]), ...(p.family ? { index: p.family.index } : {}) };
    this.values.set(p.name, named);
    return named;
  }

  // ------------------------------------------------------------ statements
  inScope<T>(names: ReadonlyMap<string, string>, numbers: ReadonlyMap<string, number>, path: string, work: () => T): T {
    const before = { scope: this.scope, path: this.builder.path };
    this.scope = { names, numbers, memory: new Map(), definitions: new Map() };
    this.builder.path = path;
    try {
      return work();
    } finally {
      this.scope = before.scope;
      this.builder.path = before.path;
    }
  }
  addStatement(s: UnrolledStatement): void {
    const lowered = this.inScope(s.names, s.numbers, s.path, () => {
      const value = this.lower(s.value);
      this.builder.name(value.node, s.target);
      return value;
    });
    const family = s.family;
    const value = family ? mapNode(lowered, (n) => this.builder.spread(n, [{ name: family.index, size: dimNumber(family.size) }])) : lowered;
    this.values.set(s.capture ?? s.target, { value, ...(family ? { index: family.index } : {}) });
    if (s.capture !== undefined) this.values.set(s.target, { value, ...(family ? { index: family.index } : {}) });
  }
  valueOf(name: string): Named {
    const value = this.values.get(name) ?? (this.parameters.has(name) ? this.parameter(this.parameters.get(name) as NetworkParameter) : undefined);
    if (!value) throw new Error(`nothing is called ${name}`);
    return value;
  }

  // ------------------------------------------------------------ expressions
  lower(e: Expr): Lowered {
    const known = this.scope.memory.get(e.id);
    if (known) return known;
    const result = this.lowerNew(e);
    this.scope.memory.set(e.id, result);
    return result;
  }
  private lowerNew(e: Expr): Lowered {
    const b = this.builder;
    switch (e.kind) {
      case "number": return scalarOf(b.fill(e.value));
      case "symbol": return this.lowerSymbol(e);
      case "zero": return { node: b.fill(0), roles: this.rolesOf(e.shape) };
      case "ones": return { node: b.fill(1), roles: this.rolesOf(e.shape) };
      case "identity": {
        const [row, col] = this.rolesOf(e.shape);
        return row && col ? { node: b.identity(row, col), roles: [row, col] } : scalarOf(b.fill(1));
      }
      case "sum": return this.lowerSum(e);
      case "product": return this.lowerProduct(e);
      case "transpose": return turned(this.lower(e.arg));
      case "inverse": return lowerInverse(this, e.arg, e.iterations);
      case "apply": {
        const lowering: FunctionLowering = functionLowerings[e.fn];
        return lowering(this, e, e.args.map((a) => this.lower(a)));
      }
      case "slice": return lowerSlice(this, this.lower(e.arg), [e.rows, e.cols]);
      case "indexSum": {
        const size = this.size(e.size);
        this.indexSizes.set(e.index, size);
        if (e.body.kind === "sum") return this.lower(add(e.body.terms.map((t) => indexSum(e.index, e.size, t))));
        return mapNode(this.lower(e.body), (node) => sumOver(b, node, { name: e.index, size }));
      }
    }
  }
  private lowerSum(e: SumExpr): Lowered {
    const b = this.builder;
    const signed = e.terms.map((t) => {
      const { coefficient } = splitCoefficient(t);
      return { minus: coefficient < 0, value: this.lower(coefficient < 0 ? scale(-1, t) : t) };
    });
    const { nodes, roles } = align(b, signed.map((s) => s.value));
    const plus = nodes.filter((_, i) => !signed[i]?.minus), minus = nodes.filter((_, i) => signed[i]?.minus);
    if (plus.length === 0) return { node: b.unary("negate", minus.reduce((x, y) => b.binary("add", x, y))), roles };
    return { node: minus.reduce((x, y) => b.binary("subtract", x, y), plus.reduce((x, y) => b.binary("add", x, y))), roles };
  }
  private lowerProduct(e: ProductExpr): Lowered {
    const b = this.builder;
    let over = b.fill(e.coefficient);
    let under = b.fill(1);
    for (const { base, exponent } of e.scalars) {
      const power = b.binary("power", this.lower(base).node, b.fill(Math.abs(exponent)));
      if (exponent > 0) over = b.binary("multiply", over, power);
      else under = b.binary("multiply", under, power);
    }
    const scalar = b.binary("divide", over, under);
    if (e.factors.length === 0) return scalarOf(scalar);
    return mapNode(lowerChain(this, e.factors), (node) => {
      if (b.fillValue(over) === 1 && b.fillValue(under) === undefined) return b.binary("divide", node, under);
      return b.binary("multiply", node, scalar);
    });
  }

  // ------------------------------------------------------------ names
  private lowerSymbol(e: SymbolExpr): Lowered {
    const b = this.builder;
    if (e.role === "index") {
      const size = this.indexSizes.get(e.name);
      if (!size) throw new Error(`the index ${e.name} has no size`);
      return scalarOf(b.binary("add", b.cast(b.iota({ name: e.name, size }), "float"), b.fill(1)));
    }
    const number = this.scope.numbers.get(e.name);
    if (number !== undefined) return scalarOf(b.fill(number));
    const full = this.scope.names.get(e.name) ?? e.name;
    const named = this.values.has(full) || this.parameters.has(full) ? this.valueOf(full) : undefined;
    if (named) return this.member(this.inShape(named, e), named.index, e.member);
    if (this.network.definitions.has(e.name)) return this.definition(e);
    const size = this.size(dimSymbol(e.name));
    if (size.key !== e.name || e.role === "dim") return scalarOf(b.size(size));
    throw new Error(`nothing is called ${e.name}`);
  }
  private inShape(named: Named, e: SymbolExpr): Lowered {
    if (!named.perSample || this.size(e.shape[0] ?? dimNumber(1)).key !== batchName) return named.value;
    return { node: named.value.node, roles: [{ name: batchName, size: batchSize }, undefined] };
  }
  private definition(e: SymbolExpr): Lowered {
    const known = this.scope.definitions.get(e.name);
    const value = known ?? this.lower(this.network.definitions.get(e.name) as Expr);
    this.scope.definitions.set(e.name, value);
    if (!e.member) return value;
    // A family of numbers has one index: the one that its expression leaves free.
    const index = this.definitionIndex(e.name);
    return this.member(value, index, e.member);
  }
  private definitionIndex(name: string): string | undefined {
    const value = this.scope.definitions.get(name);
    return value && this.builder.axes(value.node).map((a) => a.name).find((n) => this.network.indices.has(n));
  }
  /** The member meant: an index that runs gives its name to the axis, a number picks. */
  private member(value: Lowered, index: string | undefined, member: IndexTerm | undefined): Lowered {
    const b = this.builder;
    if (!member || index === undefined || !b.has(value.node, index)) return value;
    if (member.kind === "number") {
      return mapNode(value, (n) => b.reduce("sum", b.slice(n, index, dimNumber(member.value - 1), dimNumber(member.value)), [index]));
    }
    this.indexSizes.set(member.name, b.axis(value.node, index).size);
    return mapNode(value, (n) => b.rename(n, new Map([[index, member.name]])));
  }

  // ------------------------------------------------------------ outputs
  /** The value with the axes of the wire, in that order. */
  output(name: string, value: Lowered, type: ValueType, index?: Axis): Graph["outputs"][number] {
    const b = this.builder;
    const own = value.roles.map((role) => role?.name);
    const wire = this.wireAxes(type, own);
    const roles = this.wireRoles(type, own);
    const names = new Map<string, string>();
    value.roles.forEach((role, i) => {
      const to = roles[i];
      if (role && to) names.set(role.name, to.name);
    });
    const axes = index ? [...wire.slice(0, 1), index, ...wire.slice(1)] : wire;
    const node = b.spread(b.rename(value.node, names), axes);
    return { name, node, wire: axes.map((a) => a.name) };
  }
}

/** The type under which a variable after a step is shown: a matrix as its expression's shape says. */
function probeType(shape: Shape): ValueType {
  const rank = shape.length > 2 ? shape.length : isOne(shape[1] ?? dimNumber(1)) ? (isOne(shape[0] ?? dimNumber(1)) ? 0 : 1) : 2;
  return { kind: "real", shape, rank };
}

/**
 * The network as a tensor graph. Inputs and outputs have the order of the wire, "batch" first; parameters are as stored.
 * Throws NotLowerable where a function has no lowering for its shapes.
 */
export function lowerNetwork(network: UnrolledNetwork, options: LowerOptions = {}): Graph {
  const lowering = new Lowering(network, options);
  const inputs = network.inputs.map((input) => lowering.addInput(input));
  for (const target of network.targets) lowering.addInput(target);
  const outputs: Graph["outputs"][number][] = [];
  const probes: Graph["outputs"][number][] = [];
  for (const s of network.statements) {
    if (s.capture !== undefined && !options.construct) continue;
    lowering.addStatement(s);
    const { value } = lowering.valueOf(s.target);
    const index = s.family && { name: s.family.index, size: dimNumber(s.family.size) };
    if (s.capture !== undefined) {
      const names = [...(index ? [index.name] : []), ...value.roles.flatMap((r) => (r ? [r.name] : []))];
      const node = lowering.builder.spread(value.node, value.roles.filter((r) => r !== undefined));
      probes.push({ name: s.capture, node, wire: names });
    } else if (options.probe && s.variable !== undefined) probes.push(lowering.output(probeName(s.target, network), value, probeType(s.value.shape), index));
  }
  for (const o of network.outputs) outputs.push(lowering.output(o.name, lowering.valueOf(o.value).value, o.type));
  if (options.loss && network.loss) outputs.push(lowerLoss(lowering, network, network.loss));
  const measures = (options.measures ?? []).flatMap((m) => lowerMeasure(lowering, m));
  return lowering.builder.finish([...outputs, ...probes, ...measures], inputs);
}
/** The mean over the batch. */
function lowerMeasure(lowering: Lowering, measure: Measure): Graph["outputs"][number][] {
  try {
    const node = lowering.inScope(measure.names, measure.numbers, "audit", () => {
      const b = lowering.builder;
      const { node: value } = lowering.lower(measure.value);
      return b.has(value, batchName) ? b.reduce("mean", value, [batchName]) : value;
    });
    return [{ name: measure.name, node, wire: [] }];
  } catch (error) {
    if (error instanceof NotLowerable) return [];
    throw error;
  }
}
function lowerLoss(lowering: Lowering, network: UnrolledNetwork, loss: Expr): Graph["outputs"][number] {
  const outputNames = new Map(network.outputs.map((o) => [o.name, o.value]));
  const known = new Set(network.statements.map((s) => s.target));
  const names = new Map([...network.lossNames].map(([local, name]) => [local, known.has(name) ? name : (outputNames.get(name) ?? name)]));
  const node = lowering.inScope(names, new Map(), "loss", () => {
    const b = lowering.builder;
    const { node: value } = lowering.lower(loss);
    const mean = b.has(value, batchName) ? b.reduce("mean", value, [batchName]) : value;
    b.name(mean, "loss");
    return mean;
  });
  return { name: addedNames(network).loss, node, wire: [] };
}
