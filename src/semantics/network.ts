/** One network: its declarations from top to bottom. */
import { own as ownOf } from "../runtime/contract.js";
import { at, Reporter } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import { type Dim, dimEquals, dimSymbol, dimSymbols, isOne, one } from "../expression/dim.js";
import { add, contains, type Expr, isScalar, number as numberExpr, renameFreeIndex, scalarShape, symbol, symbolsOf, TooLarge } from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import { type Environment, evaluate } from "../numeric/evaluate.js";
import { scalarValue } from "../numeric/matrix.js";
import { largestParameter } from "../runtime/random.js";
import type {
  TypedConst, TypedIndex, TypedInit, TypedInput, TypedLayer, TypedLet, TypedNetwork, TypedParam, TypedStatement, TypedTrain, TypedValue, TypedVariable,
} from "./program.js";
import type {
  Assignment, Expression, FunctionDeclaration, InputDeclaration, LayerDeclaration, LetDeclaration, Member, NetworkDeclaration, ObjectiveDeclaration,
  OutputDeclaration, ParamDeclaration, StepDeclaration, TypeExpression, VarDeclaration,
} from "../syntax/ast.js";
import { dimFault, duplicateName, givenName, expressionTooLarge, familyMisuse, mayStartAtZero, misplaced, notANumber, presetUnknown, settingUnknown, unknownName, wrongArguments, wrongShape } from "./diagnostics.js";
import { Dims, DimSolved } from "./dims.js";
import { elaborate, elaborateAs, elaborateScalar, showShape, strip, textOf } from "./elaborate-expression.js";
import { sincosMisfit } from "./network-functions.js";
import { nearest } from "../diagnostics/nearest.js";
import { type Context, Scope, type ValueBinding } from "./scope.js";
import { elaborateStep, type LemmaTable } from "./steps.js";
import { elaborateTrain } from "./train.js";

export interface NetworkOptions {
  readonly preset?: string;
  readonly settings: ReadonlyMap<string, number>;
  readonly functions: ReadonlyMap<string, FunctionDeclaration>;
  readonly lemmas: LemmaTable;
}
const mostCopies = 10_000;
const mostEntries = 2 ** 40;
const showCount = (n: number): string => n.toLocaleString("en-US", { maximumSignificantDigits: 15 });

/** Elaborates until no shape solves another dim. Faults go to the reporter once. */
export function elaborateNetwork(network: NetworkDeclaration, options: NetworkOptions, reporter: Reporter): TypedNetwork | undefined {
  const solutions = new Map<string, Dim>();
  for (let attempt = 0; attempt < 64; attempt++) {
    const own = new Reporter();
    try {
      const typed = new NetworkElaborator(network, options, own, solutions).run();
      own.diagnostics.forEach((d) => reporter.report(d));
      return typed;
    } catch (error) {
      if (error instanceof DimSolved) continue;
      if (!(error instanceof TooLarge) && !(error instanceof RangeError)) throw error;
      own.diagnostics.forEach((d) => reporter.report(d));
      reporter.report(expressionTooLarge({ what: `an expression of network ${network.name.name}` }, at(network.name.span)));
      return undefined;
    }
  }
  return undefined;
}

/** Names that mean something everywhere. */
const givenNames: Readonly<Record<string, string>> = { I: "the identity", layer: "the number of a layer's copy" };

interface LayerState {
  readonly scope: Scope;
  readonly params: TypedParam[];
  readonly lets: TypedLet[];
  readonly counters: Map<string, number>;
  /** How often what stands here is unrolled. */
  readonly copies: number;
}

class NetworkElaborator {
  private readonly consts = new Map<string, TypedConst>();
  private readonly indices: TypedIndex[] = [];
  private readonly inputs: TypedInput[] = [];
  private readonly targets: TypedInput[] = [];
  private readonly variables: TypedVariable[] = [];
  private readonly root: LayerState = { scope: new Scope(), params: [], lets: [], counters: new Map(), copies: 1 };
  private readonly outputs = new Map<string, ValueBinding>();
  private readonly dims: Dims;
  private readonly overrides: ReadonlyMap<string, { value: number | Expression; span: Span }>;
  private train: TypedTrain | undefined;

  constructor(
    private readonly network: NetworkDeclaration, private readonly options: NetworkOptions,
    private readonly reporter: Reporter, solutions: Map<string, Dim>,
  ) {
    this.dims = new Dims(reporter, solutions, (name) => this.consts.get(name)?.value);
    this.overrides = this.readOverrides();
  }

  run(): TypedNetwork {
    const statements: TypedStatement[] = [];
    for (const m of this.network.members) statements.push(...this.member(m, this.root, undefined));
    const dims = this.dims.all().map((e) => {
      const reference = this.dims.reference(e.name);
      const value = e.batch ? undefined : this.dims.numberOf(e.name);
      if (value !== undefined && (!Number.isInteger(value) || value < 1 || value > 2 ** 31)) {
        this.reporter.report(dimFault({ problem: `dim ${e.name} is ${value}: sizes are whole numbers from 1`, hint: undefined }, at(e.span)));
      }
      return {
        name: e.name, span: e.span, batch: e.batch,
        ...(dimEquals(reference, dimSymbol(e.name)) ? {} : { definition: reference }), ...(value === undefined ? {} : { value }),
      };
    });
    this.checkSize(statements);
    const batchDim = this.dims.batchDim();
    if (batchDim !== undefined) this.checkSamples(batchDim);
    return {
      name: this.network.name.name, span: this.network.name.span, dims, indices: this.indices, consts: [...this.consts.values()], lets: this.root.lets,
      inputs: this.inputs, targets: this.targets, params: this.root.params, variables: this.variables, statements,
      showDim: (d) => this.dims.show(d),
      ...(this.network.doc === undefined ? {} : { doc: this.network.doc }), ...(this.options.preset === undefined ? {} : { preset: this.options.preset }),
      ...(batchDim === undefined ? {} : { batchDim }), ...(this.train ? { train: this.train } : {}),
    };
  }
  /** Where a dim runs over the samples, what is given has one value for each of them: a scalar, or an array with that axis. */
  private checkSamples(batchDim: string): void {
    for (const [kind, values] of [["input", this.inputs], ["target", this.targets]] as const) for (const { name, type, span } of values) {
      if (type.rank === 0 || type.shape.some((d) => dimSymbols(d).has(batchDim))) continue;
      this.reporter.report(wrongShape({ what: `${kind} ${name}`, has: type.declared, wanted: `an axis ${batchDim}, over which the samples run,` }, at(span)));
    }
  }
  /** A hostile size must not reach an allocation. */
  private checkSize(statements: readonly TypedStatement[]): void {
    const layers = statements.filter((s): s is TypedLayer => s.kind === "layer");
    const params = [...this.root.params.map((param) => ({ param, copies: 1 })), ...layers.flatMap((l) => l.params.map((param) => ({ param, copies: param.shared ? 1 : l.repeat })))];
    const sized = params.map(({ param, copies }) => {
      const sizes = [...(param.index === undefined ? [] : [this.indices.find((i) => i.name === param.index)?.count ?? 1]), ...param.shape.slice(0, param.rank).map((d) => this.dims.valueOf(d) ?? 1)];
      return { param, copies, sizes, entries: sizes.reduce((a, b) => a * b, 1) };
    });
    const large = sized.filter((p) => p.entries > largestParameter);
    const told = new Set<string | undefined>();
    for (const { param, sizes, entries } of large) {
      const [most] = param.shape.flatMap((d) => [...dimSymbols(d)]).map((name) => ({ name, value: this.dims.numberOf(name) ?? 0 })).sort((a, b) => b.value - a.value);
      // A size is one mistake, however many parameters have it.
      if (told.has(most?.name)) continue;
      told.add(most?.name);
      const problem = `parameter ${param.name} is ${sizes.join(" × ")}, ${showCount(entries)} entries; no more than ${showCount(largestParameter)} can be held`;
      this.reporter.report(dimFault({ problem, hint: most ? `${most.name} is ${most.value}; make it smaller, or --set ${most.name}=…` : "make it smaller" }, at(param.span)));
    }
    const total = sized.reduce((n, p) => n + p.entries * p.copies, 0);
    if (large.length === 0 && total > mostEntries) this.reporter.report(dimFault({ problem: `the network has ${showCount(total)} parameters, more than can be compiled`, hint: "make its dims smaller" }, at(this.network.name.span)));
  }

  // -------------------------------------------------------------- presets
  private readOverrides(): ReadonlyMap<string, { value: number | Expression; span: Span }> {
    const overrides = new Map<string, { value: number | Expression; span: Span }>();
    const settable = new Set(this.network.members.flatMap((m) => (m.kind === "dim" || m.kind === "const" ? m.declarators.map((d) => d.name.name) : m.kind === "let" ? m.declarators.filter((d) => !d.index).map((d) => d.name.name) : [])));
    const presets = this.network.members.filter((m) => m.kind === "preset");
    const seen = new Set<string>();
    for (const preset of presets) {
      if (seen.has(preset.name.name)) this.reporter.report(duplicateName({ name: preset.name.name }, at(preset.name.span)));
      seen.add(preset.name.name);
      for (const s of preset.settings) {
        if (!settable.has(s.name.name)) this.reporter.report(settingUnknown({ name: s.name.name, near: nearest(s.name.name, settable), known: [...settable].join(", ") }, at(s.name.span)));
        else if (preset.name.name === this.options.preset && s.value) overrides.set(s.name.name, { value: s.value, span: s.name.span });
      }
    }
    if (this.options.preset !== undefined && !seen.has(this.options.preset)) {
      this.reporter.report(presetUnknown({ name: this.options.preset, known: [...seen].join(", ") }, at(this.network.name.span)));
    }
    for (const [name, value] of this.options.settings) {
      if (!settable.has(name)) this.reporter.report(settingUnknown({ name, near: nearest(name, settable), known: [...settable].join(", ") }, at(this.network.name.span)));
      else overrides.set(name, { value, span: this.network.name.span });
    }
    return overrides;
  }

  // -------------------------------------------------------------- context
  private context(state: LayerState, statement?: string): Context {
    const base: Context = {
      scope: state.scope, dims: this.dims, reporter: this.reporter, functions: this.options.functions, calls: [],
      numberOf: (e) => this.numberOf(e), aliasPieces: (pattern, span) => this.alias(pattern, undefined, span, state),
    };
    if (statement === undefined) return base;
    return { ...base, place: { statement, counters: state.counters, add: (p) => state.params.push(p) } };
  }
  /** Of an expression that gives a value, or one for each member of the family that is declared. */
  private statement(state: LayerState, family?: { readonly index?: string | undefined }, name?: string): Context {
    return { ...this.context(state, name), ...(family?.index === undefined ? {} : { running: [family.index] }) };
  }
  private environment(lets: readonly TypedLet[] = this.root.lets, place: { readonly layer?: number; readonly indices?: ReadonlyMap<string, number> } = {}): Environment {
    return {
      dims: (s) => this.dims.numberOf(s) ?? missing(s),
      ...(place.indices ? { indices: place.indices } : {}),
      lookup: (name, member) => {
        if (name === "layer" && place.layer !== undefined) return scalarValue(place.layer);
        const c = this.consts.get(name);
        if (c) return scalarValue(c.value);
        const kept = lets.find((l) => l.name === name && l.kept);
        if (!kept) return undefined;
        const value = kept.index !== undefined && member !== undefined ? renameFreeIndex(kept.value, kept.index, { kind: "number", value: member }) : kept.value;
        return evaluate(value, this.environment(lets, place));
      },
    };
  }
  /** The number of an expression of consts, dims and lets. */
  private numberOf(e: Expr): number | undefined {
    if (e.kind === "number") return e.value;
    if (contains(e, (x) => x.kind === "symbol" && (x.role === "param" || x.role === "var" || x.role === "input" || x.role === "target" || x.role === "layer" || x.role === "hole" || x.role === "index"))) return undefined;
    try {
      return evaluate(e, this.environment()).data[0];
    } catch {
      return undefined;
    }
  }
  /** The numbers that it has in a layer's copies and a family's members, of which it may speak; none where it reads more than numbers. */
  private numbersOf(e: Expr, state: LayerState, copies: number, family: { readonly index: string; readonly size: Dim } | undefined): readonly number[] {
    const lets = [...state.lets, ...this.root.lets];
    const from1 = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i + 1);
    const members = family ? from1(this.dims.valueOf(family.size) ?? 0).map((i) => new Map([[family.index, i]])) : [new Map<string, number>()];
    try {
      return from1(copies).flatMap((layer) => members.flatMap((indices) => [...evaluate(e, this.environment(lets, { layer, indices })).data]));
    } catch {
      return [];
    }
  }
  /** The first name in it that stands for data, or for what is made of them. */
  private dataIn(e: Expr, lets: readonly TypedLet[]): string | undefined {
    return symbolsOf(e).map((s) => {
      const own = s.role === "let" ? lets.find((l) => l.name === s.name && l.kept) : undefined;
      return s.role === "input" || s.role === "target" || s.role === "var" ? s.name : own && this.dataIn(own.value, lets);
    }).find((name) => name !== undefined);
  }
  private claim(name: string, span: Span, state: LayerState): boolean {
    const given = ownOf(givenNames, name);
    const taken = state.scope.find(name) !== undefined || this.dims.has(name) || this.outputs.has(name);
    if (given !== undefined) this.reporter.report(givenName({ name, meaning: given }, at(span)));
    else if (taken) this.reporter.report(duplicateName({ name }, at(span)));
    return !taken && given === undefined;
  }
  private bindValue(state: LayerState, name: string, binding: Omit<ValueBinding, "kind">): void {
    state.scope.bind(name, { kind: "value", ...binding });
  }
  private family(index: { readonly name: string; readonly span: Span } | undefined, state: LayerState): { index: string; size: Dim } | undefined | null {
    if (!index) return undefined;
    const binding = state.scope.find(index.name);
    if (binding?.kind === "index") return { index: binding.name, size: binding.size };
    this.reporter.report(unknownName({ name: index.name, what: "index", near: nearest(index.name, state.scope.names()) }, at(index.span)));
    return null;
  }
  private shapeOf(type: TypeExpression): { shape: Shape; rank: number } | undefined {
    const read = type.dims.map((d) => this.dims.read(d));
    if (read.some((d) => d === undefined)) return undefined;
    const sizes = (read as Dim[]).map((d) => this.dims.expand(d));
    for (const [i, d] of sizes.entries()) this.dims.checkPositive(d, (type.dims[i] as Expression).span);
    const rank = sizes.length;
    return { shape: rank > 2 ? sizes : [sizes[0] ?? one, sizes[1] ?? one], rank };
  }
  private realShape(type: TypeExpression, what: string): { shape: Shape; rank: number } | undefined {
    if (type.base === "real" && type.dims.length <= 2) return this.shapeOf(type);
    this.reporter.report(wrongShape({ what, has: textOfType(type), wanted: "a scalar, column or matrix of reals" }, at(type.span)));
    return undefined;
  }

  // -------------------------------------------------------------- members
  private member(m: Member, state: LayerState, layer: LayerDeclaration | undefined): readonly TypedStatement[] {
    const inLayer = layer !== undefined;
    const outside = (what: string): readonly TypedStatement[] => {
      this.reporter.report(misplaced({ what, where: "inside a layer", hint: "move it out, before the layer" }, at(m.span)));
      return [];
    };
    switch (m.kind) {
      case "dim":
        if (inLayer) return outside("a dim");
        for (const d of m.declarators) this.dim(d.name.name, d.name.span, d.value, state);
        return [];
      case "index": return inLayer ? outside("an index") : this.index(m.name.name, m.name.span, m.from, m.to, state);
      case "preset": return inLayer ? outside("a preset") : [];
      case "const":
        for (const d of m.declarators) this.constant(d.name.name, d.name.span, d.value, state);
        return [];
      case "let": this.lets(m, state); return [];
      case "input": case "target":
        if (inLayer) return outside(`an ${m.kind}`);
        this.input(m, state);
        return [];
      case "param": this.param(m, state, inLayer); return [];
      case "var": return this.variable(m, state);
      case "objective": return this.objective(m, state);
      case "assign": return this.assign(m, state);
      case "output": return inLayer ? outside("an output") : this.output(m, state);
      case "layer": return inLayer ? outside("a layer") : this.layer(m);
      case "step": return this.step(m, state);
      case "train": {
        if (inLayer) return outside("a train block");
        if (this.train) this.reporter.report(duplicateName({ name: "train" }, at(m.span)));
        const scope = new Scope(state.scope);
        for (const [name, binding] of this.outputs) scope.bind(name, binding);
        const params = new Set(this.root.params.map((p) => p.name));
        const [inputs, targets] = [new Set(this.inputs.map((i) => i.name)), this.targets.map((t) => t.name)];
        this.train = elaborateTrain(m, { ...this.context(state), scope, loss: true }, new Set([...inputs, ...targets, ...params, ...this.outputs.keys()]), inputs);
        return [];
      }
    }
  }
  private dim(name: string, span: Span, value: Expression | undefined, state: LayerState): void {
    if (!this.claim(name, span, state)) return;
    const override = this.overrides.get(name);
    if (override) {
      const n = typeof override.value === "number" ? override.value : this.presetNumber(override.value);
      if (n !== undefined && Number.isInteger(n) && n >= 1 && n <= 2 ** 31) {
        this.dims.declare({ name, span, batch: false, number: n });
        return;
      }
      // What is set wrongly is read as it is declared, so that one mistake is one message.
      if (n !== undefined) this.reporter.report(dimFault({ problem: `${name} is set to ${n}: sizes are whole numbers from 1 to 2^31`, hint: undefined }, at(override.span)));
    }
    const inner = value && strip(value);
    if (!inner) this.dims.declare({ name, span, batch: false });
    else if (inner.kind === "name" && inner.name === "batch" && !this.dims.has("batch")) this.dims.declare({ name, span, batch: true });
    else if (inner.kind === "number") {
      if (!Number.isInteger(inner.value) || inner.value < 1 || inner.value > 2 ** 31) {
        this.reporter.report(dimFault({ problem: `dim ${name} is ${inner.text}: sizes are whole numbers from 1 to 2^31`, hint: undefined }, at(inner.span)));
        this.dims.declare({ name, span, batch: false, number: 1 });
      } else this.dims.declare({ name, span, batch: false, number: inner.value });
    } else if (this.dims.read(inner) && value) this.dims.declare({ name, span, batch: false, expression: value });
    else this.dims.declare({ name, span, batch: false, number: 1 });
  }
  private presetNumber(e: Expression): number | undefined {
    const value = elaborateScalar(e, this.context(this.root), "a setting");
    const n = value && this.numberOf(value);
    if (value && n === undefined) this.reporter.report(notANumber({ what: "a setting" }, at(e.span)));
    return n;
  }
  private index(name: string, span: Span, from: Expression, to: Expression, state: LayerState): readonly TypedStatement[] {
    if (!this.claim(name, span, state)) return [];
    const start = strip(from);
    if (start.kind !== "number" || start.value !== 1) this.reporter.report(dimFault({ problem: "an index runs from 1", hint: `index ${name} in 1..${textOf(to)}` }, at(from.span)));
    const size = this.dims.read(to);
    const expanded = size ? this.dims.expand(size) : one;
    const count = this.dims.valueOf(expanded);
    if (size && count === undefined) this.reporter.report(dimFault({ problem: `how many values ${name} has is not known`, hint: "give its end a number" }, at(to.span)));
    if (count !== undefined && count < 1) this.reporter.report(dimFault({ problem: `an index needs at least one value, and ${name} has ${count}`, hint: undefined }, at(to.span)));
    this.indices.push({ name, size: expanded, count: count ?? 1, span });
    state.scope.bind(name, { kind: "index", name, size: expanded });
    return [];
  }
  private constant(name: string, span: Span, value: Expression | undefined, state: LayerState): void {
    if (!this.claim(name, span, state)) return;
    const override = this.overrides.get(name);
    let n: number | undefined;
    if (override) n = typeof override.value === "number" ? override.value : this.presetNumber(override.value);
    else if (!value) this.reporter.report(notANumber({ what: `const ${name}` }, at(span)));
    else {
      const e = elaborateScalar(value, this.context(state), `const ${name}`);
      n = e && this.numberOf(e);
      if (e && n === undefined) this.reporter.report(notANumber({ what: `const ${name}` }, at(value.span)));
    }
    if (n !== undefined && !Number.isFinite(n)) {
      this.reporter.report(notANumber({ what: `const ${name}`, value: n }, at(override?.span ?? value?.span ?? span)));
      n = undefined;
    }
    // Layers may each have a const of one name: a later one is another symbol, shown as the same.
    let own = name;
    for (let i = 2; this.consts.has(own); i++) own = `${i}.${name}`;
    this.consts.set(own, { name: own, value: n ?? 1, span });
    this.bindValue(state, name, { what: "const", shape: scalarShape, make: () => symbol(own, "const", scalarShape) });
  }
  private lets(m: LetDeclaration, state: LayerState): void {
    for (const d of m.declarators) {
      const name = d.name.name;
      if (!this.claim(name, d.name.span, state) || !d.value) continue;
      const family = this.family(d.index, state);
      if (family === null) continue;
      const override = this.overrides.get(name);
      if (override && typeof override.value === "number") {
        const fixed = override.value;
        state.lets.push({ name, value: numberExpr(fixed), span: d.span, kept: true });
        this.bindValue(state, name, { what: "let", shape: scalarShape, make: () => symbol(name, "let", scalarShape) });
        continue;
      }
      const value = elaborate(override && typeof override.value !== "number" ? override.value : d.value, this.statement(state, family, name));
      if (!value) {
        // Already reported: later uses get something that fits a scalar, so that one mistake is one message.
        state.scope.bind(name, { kind: "value", what: "let", shape: scalarShape, make: () => symbol(name, "let", scalarShape), ...(family ? { family } : {}) });
        continue;
      }
      const kept = isScalar(value) && !contains(value, (x) => x.kind === "symbol" && (x.role === "var" || x.role === "input"));
      const index = family?.index;
      state.lets.push({ name, value, span: d.span, kept, ...(index === undefined ? {} : { index }) });
      this.bindValue(state, name, {
        what: "let", shape: value.shape, ...(family ? { family } : {}),
        make: (member) => {
          if (kept) return symbol(name, "let", scalarShape, index === undefined ? undefined : member);
          return index !== undefined && member ? renameFreeIndex(value, index, member) : value;
        },
      });
    }
  }

  private input(m: InputDeclaration, state: LayerState): void {
    const name = m.name.name;
    if (!this.claim(name, m.name.span, state)) return;
    const type = this.valueType(m.type, true);
    if (!type) return;
    (m.kind === "input" ? this.inputs : this.targets).push({ name, type, span: m.name.span });
    const role = m.kind;
    this.bindValue(state, name, { what: role, shape: type.shape, make: () => symbol(name, role, type.shape), ...(type.symbols ? { symbols: type.symbols } : {}) });
  }
  private valueType(type: TypeExpression, perSample: boolean): TypedValue | undefined {
    const declared = textOfType(type);
    if (type.base === "real") {
      const own = this.shapeOf(type);
      return own && { kind: "real", shape: own.shape, rank: own.rank, declared };
    }
    const [count, length, ...more] = type.dims.map((d) => this.dims.read(d));
    if (!count || more.length > 0 || (type.base === "class" && type.dims.length > 1)) {
      if (type.dims.length === 0 || more.length > 0 || type.dims.length > 1) {
        this.reporter.report(wrongShape({ what: "this type", has: declared, wanted: "class[C], token[V] or token[V, n]" }, at(type.span)));
      }
      return undefined;
    }
    const batch = this.dims.batchDim();
    const rows = length ? this.dims.expand(length) : batch !== undefined && perSample ? dimSymbol(batch) : one;
    return { kind: type.base, symbols: this.dims.expand(count), shape: [rows, one], rank: length ? 1 : 0, declared };
  }

  private param(m: ParamDeclaration, state: LayerState, inLayer: boolean): void {
    const name = m.name.name;
    if (!this.claim(name, m.name.span, state)) return;
    const family = this.family(m.index, state);
    const type = this.realShape(m.type, `param ${name}`);
    if (!type || family === null) return;
    const { shape, rank } = type;
    if (m.positive && !shape.every(isOne)) this.reporter.report(misplaced({ what: "positive", where: `on ${showShape(shape, this.context(state))}`, hint: "only scalars are kept positive" }, at(m.name.span)));
    if (m.shared && !inLayer) this.reporter.report(misplaced({ what: "shared", where: "outside of a layer", hint: "a network's own parameter is one for all layers" }, at(m.name.span)));
    const before = this.reporter.diagnostics.length;
    const init = this.init(m, shape, rank, this.statement(state, family), state);
    if (m.positive && shape.every(isOne) && m.init?.kind !== "missing" && this.reporter.diagnostics.length === before) {
      const place = at(m.init?.span ?? m.name.span);
      const starts = startingSign(init, (e) => this.numbersOf(e, state, m.shared ? 1 : state.copies, family));
      if (starts === "not positive") this.reporter.report(wrongArguments({ fn: `init ${init.kind}`, problem: "a positive parameter starts above 0", usage: "init constant(0.1)" }, place));
      else if (starts === "open") this.reporter.report(mayStartAtZero({ name, init: init.kind, learned: !m.fixed }, place));
    }
    const alias = m.alias && this.alias(m.alias.pattern, m.alias.axes, m.alias.span, state);
    state.params.push({
      name, shape, rank, fixed: m.fixed, shared: m.shared, positive: m.positive, captured: false, init, span: m.name.span,
      axisNames: m.type.dims.map(textOf), ...(family ? { index: family.index } : {}), ...(alias ? { alias } : {}),
    });
    this.bindValue(state, name, { what: "param", shape, make: (member) => symbol(name, "param", shape, member), ...(family ? { family } : {}) });
  }
  private init(m: ParamDeclaration, shape: Shape, rank: number, statement: Context, state: LayerState): TypedInit {
    const e = m.init && strip(m.init);
    if (!e) return m.fixed ? { kind: "file" } : rank === 2 ? { kind: "kaiming_uniform", a: Math.sqrt(5) } : { kind: "zeros" };
    const name = e.kind === "call" ? e.callee.name : e.kind === "name" ? e.name : "";
    const args = e.kind === "call" ? e.args : [];
    // What is reported already fits every parameter.
    const fallback: TypedInit = { kind: "file" };
    if (e.kind === "missing") return fallback;
    const fault = (problem: string, usage?: string): TypedInit => {
      this.reporter.report(wrongArguments({ fn: `init ${name}`, problem, usage }, at(e.span)));
      return fallback;
    };
    const one1 = (slot: string, otherwise: number | undefined, usage: string): number | undefined => {
      const [arg] = args;
      if (args.length > 1 || (arg?.name && arg.name.name !== slot)) { fault(arg?.name && arg.name.name !== slot ? `it has no option ${arg.name.name}` : "it takes one number", usage); return undefined; }
      if (!arg) { if (otherwise === undefined) fault("it needs a number", usage); return otherwise; }
      const value = elaborateScalar(arg.value, this.context(state), `init ${name}`);
      const n = value && this.numberOf(value);
      if (value && n === undefined) this.reporter.report(notANumber({ what: `init ${name}` }, at(arg.value.span)));
      return n;
    };
    const none = (kind: "zeros" | "ones" | "orthonormal" | "xavier_uniform"): TypedInit => (args.length > 0 ? fault("it takes no arguments") : { kind });
    switch (name) {
      case "zeros": case "ones": case "orthonormal": case "xavier_uniform": return none(name);
      case "constant": { const value = one1("value", undefined, "constant(0.1)"); return value === undefined ? fallback : { kind: "constant", value }; }
      case "normal": { const value = one1("std", undefined, "normal(0.02)"); return value === undefined ? fallback : value < 0 ? fault("a standard deviation is not negative") : { kind: "normal", value }; }
      case "uniform": { const value = one1("bound", undefined, "uniform(0.1)"); return value === undefined ? fallback : { kind: "uniform", value }; }
      case "identity": { const value = one1("scale", 1, "identity(scale: 1)"); return value === undefined ? fallback : { kind: "identity", value }; }
      case "kaiming_uniform": { const a = one1("a", 0, "kaiming_uniform(a: 0)"); return a === undefined ? fallback : { kind: "kaiming_uniform", a }; }
      case "sincos2d": {
        const [arg] = args;
        const flag = arg && strip(arg.value);
        if (args.length > 1 || (arg && (arg.name?.name !== "class_token" || flag?.kind !== "name" || (flag.name !== "true" && flag.name !== "false")))) return fault("it takes class_token: true or false", "sincos2d(class_token: true)");
        const classToken = flag?.kind === "name" && flag.name === "true";
        const [d, n] = shape.map((x) => this.dims.valueOf(x));
        if (d !== undefined && d % 4 !== 0) return fault(`the features are a multiple of 4, not ${d}`);
        const tokens = n === undefined ? undefined : classToken ? n - 1 : n;
        if (tokens !== undefined && !Number.isInteger(Math.sqrt(tokens))) return fault(`the places are a square of patches${classToken ? " and the class token" : ""}, not ${tokens}`, classToken ? undefined : "sincos2d(class_token: true)");
        return { kind: "sincos2d", classToken };
      }
      case "sincos": {
        const base = one1("base", 10000, "sincos(base: 10000)");
        if (base === undefined) return fallback;
        const misfit = sincosMisfit(this.dims.valueOf(shape[0] ?? one), base);
        return misfit ? fault(misfit.problem) : { kind: "sincos", base };
      }
      case "from": {
        const [arg] = args;
        if (!arg || args.length !== 1) return fault("it takes one expression", "from(A')");
        const value = elaborateAs(arg.value, statement, shape, `the initial value of ${m.name.name}`);
        const data = value && this.dataIn(value, [...state.lets, ...this.root.lets]);
        if (data !== undefined) return fault(`${data} is known only when the network runs`, "from(A')");
        return value ? { kind: "from", value } : fallback;
      }
      default: {
        const known = ["zeros", "ones", "constant", "normal", "uniform", "kaiming_uniform", "xavier_uniform", "orthonormal", "identity", "from", "sincos", "sincos2d"];
        this.reporter.report(unknownName({ name: name || textOf(e), what: "initialiser", near: nearest(name, known) }, at(e.span)));
        return fallback;
      }
    }
  }
  /** `"layers.{layer-1}.weight"` in pieces. */
  private alias(pattern: string, axes: string | undefined, span: Span, state: LayerState): TypedParam["alias"] {
    const pieces: (string | Expr)[] = [];
    for (const part of pattern.split(/(\{[^{}]*\})/)) {
      if (!part.startsWith("{")) { if (part !== "") pieces.push(part); continue; }
      const m = /^\{\s*([\p{L}_][\p{L}\d_]*)\s*(?:([+-])\s*(\d+)\s*)?\}$/u.exec(part);
      const name = m?.[1];
      if (name === undefined || !state.scope.find(name)) {
        this.reporter.report(wrongArguments({ fn: "alias", problem: `${part} is not understood`, usage: "{layer}, {layer-1} or {layer+1}, in a layer" }, at(span)));
        return undefined;
      }
      const base = symbol(name, name === "layer" ? "layer" : "const", scalarShape);
      const offset = m?.[3] === undefined ? 0 : Number(m[3]) * (m[2] === "-" ? -1 : 1);
      pieces.push(addNumber(base, offset));
    }
    return axes === undefined ? { pieces, span } : { pieces, axes, span };
  }

  private variable(m: VarDeclaration, state: LayerState): readonly TypedStatement[] {
    const name = m.name.name;
    if (!this.claim(name, m.name.span, state)) return [];
    const family = this.family(m.index, state);
    const type = this.realShape(m.type, `var ${name}`);
    if (!type || family === null) return [];
    const { shape, rank } = type;
    const init = elaborateAs(m.init, this.statement(state, family, name), shape, `the starting value of ${name}`);
    const typed: TypedVariable = { name, shape, rank, ...(family ? { index: family.index } : {}) };
    const other = this.variables.find((v) => v.name === name);
    // Variables of two layers may share a name, and then are of one kind.
    if (!other) this.variables.push(typed);
    else if (other.rank !== rank || other.index !== typed.index || !other.shape.every((d, i) => dimEquals(d, shape[i] as Dim))) {
      this.reporter.report(duplicateName({ name }, at(m.name.span)));
      return [];
    }
    this.bindValue(state, name, { what: "var", shape, make: (member) => symbol(name, "var", shape, member), ...(family ? { family } : {}) });
    return init ? [{ kind: "var", name, shape, rank, init, ast: m.init, span: m.name.span, ...(family ? { index: family.index } : {}) }] : [];
  }
  private visible(state: LayerState): readonly TypedVariable[] {
    return this.variables.filter((v) => { const b = state.scope.find(v.name); return b?.kind === "value" && b.what === "var"; });
  }
  private assign(m: Assignment, state: LayerState): readonly TypedStatement[] {
    const name = m.name.name;
    const variable = this.visible(state).find((v) => v.name === name);
    if (!variable) {
      const found = state.scope.find(name);
      this.reporter.report(found
        ? misplaced({ what: `an assignment to ${name}`, where: "here: it is no variable", hint: `declare it with var ${name}: … = …` }, at(m.name.span))
        : unknownName({ name, what: "variable", near: nearest(name, this.variables.map((v) => v.name)) }, at(m.name.span)));
      return [];
    }
    if (variable.index !== undefined && m.index?.name !== variable.index) {
      this.reporter.report(familyMisuse({ name, problem: "is a family; all its members are assigned at once", hint: `${name}[${variable.index}] = …` }, at(m.name.span)));
      return [];
    }
    const value = elaborateAs(m.value, this.statement(state, variable, name), variable.shape, `what ${name} becomes`);
    return value ? [{ kind: "assign", name, value, ast: m.value, span: m.name.span, ...(variable.index === undefined ? {} : { index: variable.index }) }] : [];
  }
  private objective(m: ObjectiveDeclaration, state: LayerState): readonly TypedStatement[] {
    if (!this.claim(m.name.name, m.name.span, state)) return [];
    const value = elaborateScalar(m.value, this.statement(state), "an objective");
    if (!value) {
      this.bindValue(state, m.name.name, { what: "objective", shape: scalarShape, make: () => symbol(m.name.name, "const", scalarShape) });
      return [];
    }
    this.bindValue(state, m.name.name, { what: "objective", shape: scalarShape, make: () => value });
    return [{ kind: "objective", name: m.name.name, sense: m.sense, value, span: m.name.span }];
  }
  private output(m: OutputDeclaration, state: LayerState): readonly TypedStatement[] {
    const name = m.name.name;
    if (this.outputs.has(name) || this.inputs.some((i) => i.name === name) || this.targets.some((t) => t.name === name) || state.params.some((p) => p.name === name)
      || this.consts.has(name) || this.dims.has(name) || state.scope.find(name)?.kind === "index") {
      this.reporter.report(duplicateName({ name }, at(m.name.span)));
      return [];
    }
    if (m.type.base !== "real") {
      this.reporter.report(wrongShape({ what: `output ${name}`, has: textOfType(m.type), wanted: "real" }, at(m.type.span)));
      return [];
    }
    const type = this.valueType(m.type, false);
    if (!type) return [];
    const value = elaborateAs(m.value, this.statement(state, undefined, name), type.shape, `output ${name}`);
    this.outputs.set(name, { kind: "value", what: "output", shape: type.shape, make: () => symbol(name, "var", type.shape) });
    return value ? [{ kind: "output", name, type, value, ast: m.value, span: m.name.span }] : [];
  }
  private layer(m: LayerDeclaration): readonly TypedStatement[] {
    let repeat = 1;
    if (m.repeat) {
      const size = this.dims.read(m.repeat);
      const n = size && this.dims.valueOf(size);
      if (size && n === undefined) this.reporter.report(dimFault({ problem: `how often layer ${m.name.name} is repeated is not known`, hint: "give it a number" }, at(m.repeat.span)));
      else if (n !== undefined && (n < 0 || n > mostCopies || !Number.isInteger(n))) this.reporter.report(dimFault({ problem: `layer ${m.name.name} is repeated ${n} times: from 0 to ${mostCopies} is possible`, hint: undefined }, at(m.repeat.span)));
      else repeat = n ?? 1;
    }
    const state: LayerState = { scope: new Scope(this.root.scope), params: [], lets: [], counters: new Map(), copies: repeat };
    this.bindValue(state, "layer", { what: "layer", shape: scalarShape, make: () => symbol("layer", "layer", scalarShape) });
    const key = `layer ${m.name.name}`;
    if (this.root.counters.has(key)) this.reporter.report(duplicateName({ name: m.name.name }, at(m.name.span)));
    this.root.counters.set(key, 1);
    const body: TypedLayer["body"][number][] = [];
    const names = new Set<string>();
    for (const inner of m.members) {
      if (inner.kind === "step") {
        if (names.has(inner.name.name)) this.reporter.report(duplicateName({ name: inner.name.name }, at(inner.name.span)));
        names.add(inner.name.name);
      }
      for (const s of this.member(inner, state, m)) if (s.kind !== "layer") body.push(s);
    }
    return [{ kind: "layer", name: m.name.name, repeat, params: state.params, lets: state.lets, body, span: m.span, ...(m.doc === undefined ? {} : { doc: m.doc }) }];
  }
  private step(m: StepDeclaration, state: LayerState): readonly TypedStatement[] {
    const step = elaborateStep(m, {
      context: this.context(state, m.name.name), variables: this.visible(state), lemmas: this.options.lemmas,
      addParam: (p) => state.params.push(p), shapeOf: (over) => this.realShape(over.type, `the inner variable ${over.name.name}`),
    });
    return step ? [step] : [];
  }
}
/** A positive parameter is learned as what a positive function makes of it, which never gives 0. Values from elsewhere are checked when they are known. */
function startingSign(init: TypedInit, numbersOf: (e: Expr) => readonly number[]): "positive" | "not positive" | "open" {
  const signOf = (...numbers: readonly number[]): "positive" | "not positive" => (numbers.every((n) => Math.fround(n) > 0) ? "positive" : "not positive");
  switch (init.kind) {
    case "ones": case "file": return "positive";
    case "constant": case "identity": return signOf(init.value);
    case "from": return signOf(...numbersOf(init.value));
    case "zeros": case "normal": case "uniform": case "kaiming_uniform": case "xavier_uniform": case "orthonormal": case "sincos": case "sincos2d": return "open";
  }
}
function missing(name: string): never {
  throw new Error(`no size for ${name}`);
}
function textOfType(type: TypeExpression): string {
  return `${type.base}${type.dims.length > 0 ? `[${type.dims.map(textOf).join(", ")}]` : ""}`;
}
const addNumber = (e: Expr, n: number): Expr => add([e, numberExpr(n)]);
