/** Unrolls a typed network and its derivations into statements, one after the other, each value named once. */
import { at, Defect, type Reporter } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import { type Dim, dimNumber, dimSubstitute } from "../expression/dim.js";
import {
  add, contains, dimExpr, type Expr, isZero, multiply, number, renameFreeIndex, sameShape, substitute, subtract, symbol, type SymbolExpr,
} from "../expression/expr.js";
import { showExpr } from "../expression/print.js";
import type { Shape } from "../expression/functions.js";
import type { Derivation } from "../calculus/derive.js";
import { dropStops } from "../calculus/derive.js";
import { type Environment, evaluate } from "../numeric/evaluate.js";
import { prenormHole, type TypedLayer, type TypedLet, type TypedNetwork, type TypedParam, type TypedStatement, type TypedStep, type TypedValue, type TypedVariable } from "../semantics/program.js";
import type { Expression } from "../syntax/ast.js";
import { firstUse } from "../syntax/names.js";
import { mixesSamples } from "./batch-axis.js";
import { dependencies, namesIn } from "./dependencies.js";
import { spreadLets } from "./lets.js";
import { batchMixed, captureInLoop, targetLeft, thenRequired, whenUndecided } from "./diagnostics.js";
import { atRest, momentumFactor, type MomentumState } from "./momentum.js";
import type { NetworkParameter, UnrolledNetwork, UnrolledStatement, ValueType } from "./network.js";
import { networkParameter } from "./parameters.js";

interface Momentum {
  readonly state: MomentumState;
  /** Name of the statement that holds the offset to add; undefined while it is zero. */
  readonly offset?: string;
}

class Unroller {
  readonly statements: UnrolledStatement[] = [];
  readonly parameters: NetworkParameter[] = [];
  readonly outputs: UnrolledNetwork["outputs"][number][] = [];
  readonly outputNames = new Map<string, string>();
  current = new Map<string, string>();
  /** The spec's statement that gives a value. */
  private readonly origins = new Map<string, Exclude<TypedStatement, TypedLayer>>();
  private readonly used = new Map<string, number>();
  private readonly momenta = new Map<TypedStep, Momentum>();
  private readonly dims: ReadonlyMap<string, number>;
  private readonly indices: ReadonlyMap<string, number>;
  readonly definitions: ReadonlyMap<string, Expr>;
  private readonly globals: ReadonlyMap<string, string>;

  constructor(
    private readonly network: TypedNetwork,
    private readonly derivations: ReadonlyMap<TypedStep, Derivation>,
    private readonly reporter: Reporter,
  ) {
    this.dims = new Map(network.dims.flatMap((d) => (d.value === undefined ? [] : [[d.name, d.value] as const])));
    this.indices = new Map(network.indices.map((i) => [i.name, i.count]));
    this.definitions = new Map([
      ...network.consts.map((c) => [c.name, number(c.value)] as const),
      ...network.lets.filter((l) => l.kept).map((l) => [l.name, l.value] as const),
    ]);
    this.globals = new Map([
      ...network.params.map((p) => [p.name, p.name] as const),
      ...network.inputs.map((i) => [i.name, i.name] as const),
      ...network.targets.map((t) => [t.name, t.name] as const),
    ]);
  }

  run(): void {
    const uses = this.usesOf(this.network.statements);
    const given = [...this.network.inputs, ...this.network.targets].map((t) => t.name);
    for (const name of [...given, ...this.definitions.keys(), ...this.dims.keys(), ...this.indices.keys(), ...this.parameterNames()]) this.unique(name);
    for (const p of this.network.params) this.addParameter(p, p.name, uses, this.globals, 1);
    for (const s of this.network.statements) {
      if (s.kind === "layer") this.layer(s);
      else this.statement(s, { prefix: "", path: "", names: this.globals, layer: undefined, owner: undefined });
    }
    this.checkOutputs();
  }
  /** Targets, and the batch as a whole, are known in training only: nothing that the outputs are computed from may read one, and no update mix samples. */
  private checkOutputs(): void {
    const { batchDim, targets, lets } = this.network;
    const names = targets.map((t) => t.name);
    const spread = new Map(lets.map((l) => [l.name, l]));
    const needed = dependencies(this, this.outputs.map((o) => o.value));
    const reported = new Set<TypedStatement>();
    for (const s of this.statements) {
      const origin = this.origins.get(s.target);
      if (!needed.has(s.target) || !origin || reported.has(origin)) continue;
      const read = namesIn(s.value, s.names, this.definitions);
      const name = names.find((t) => read.has(t));
      const mixed = name !== undefined || batchDim === undefined || origin.kind !== "step" ? undefined : mixesSamples(spreadLets(s.value, spread), batchDim);
      if (name === undefined && mixed === undefined) continue;
      reported.add(origin);
      const place = origin.kind === "step" ? origin.ast.name.span : origin.span;
      if (mixed) this.reporter.report(batchMixed({ what: tell(origin), part: showExpr(mixed) }, at(place)));
      else if (name !== undefined) {
        const use = writtenIn(origin).map((e) => firstUse(e, name)).find((span) => span !== undefined);
        this.reporter.report(targetLeft({ name, what: tell(origin), where: showExpr(s.value) }, at(use ?? place)));
      }
    }
  }

  // -------------------------------------------------------------- scopes
  /** All expressions of statements, in order: where a parameter is first contracted. */
  private usesOf(statements: readonly TypedStatement[]): readonly Expr[] {
    return statements.flatMap((s): readonly Expr[] => {
      switch (s.kind) {
        case "var": return [s.init];
        case "assign": case "output": return [s.value];
        case "objective": return [];
        case "layer": return this.usesOf(s.body);
        case "step": {
          const d = this.derivations.get(s);
          return [...(s.prenorm ? [s.prenorm.call] : []), ...(d ? [d.update] : []), ...(s.then ? [s.then] : [])];
        }
      }
    });
  }
  private environment(layer: number | undefined): Environment {
    const lookup: Environment["lookup"] = (name, member) => {
      if (name === "layer") return layer === undefined ? undefined : { shape: [1, 1], data: Float64Array.of(layer) };
      const definition = this.definitions.get(name);
      if (!definition || member !== undefined) return undefined;
      return evaluate(definition, this.environment(layer));
    };
    return { dims: (s) => this.dimNumber(s), lookup };
  }
  private dimNumber(name: string): number {
    const value = this.dims.get(name);
    if (value === undefined) throw new Unknown(name);
    return value;
  }
  private addParameter(p: TypedParam, fullName: string, uses: readonly Expr[], names: ReadonlyMap<string, string>, layer: number, lets: readonly TypedLet[] = []): void {
    this.parameters.push(networkParameter(p, fullName, {
      dims: this.dims, indices: this.indices, environment: this.environment(layer), uses, names,
      lets: new Map([...this.network.lets, ...lets].filter((l) => l.kept).map((l) => [l.name, l])), reporter: this.reporter,
    }));
  }
  /** Values that statements make bear no other name of the spec, though a step may be called as a parameter, an input or a size. */
  private unique(name: string): string {
    const count = (this.used.get(name) ?? 0) + 1;
    this.used.set(name, count);
    return count === 1 ? name : `${name}.${count}`;
  }
  private emit(statement: Omit<UnrolledStatement, "target" | "names"> & { target: string; names: ReadonlyMap<string, string> }): string {
    const target = this.unique(statement.target);
    this.statements.push({ ...statement, target, value: this.named(statement.value) });
    return target;
  }
  /** Dims that are known only as expressions of free ones are put in as such. */
  private named(e: Expr): Expr {
    return substitute(e, (s: SymbolExpr) => {
      if (s.role !== "dim" || this.dims.has(s.name)) return undefined;
      const own = this.network.dims.find((d) => d.name === s.name)?.definition;
      return own ? dimExpr(own) : undefined;
    });
  }

  /** Of all layers: a statement may stand before them. */
  private parameterNames(): readonly string[] {
    const layers = this.network.statements.filter((s): s is TypedLayer => s.kind === "layer");
    const names = layers.flatMap((l) => Array.from({ length: l.repeat }, (_, i) => l.params.map((p) => fullName(p, l, i + 1))).flat());
    return [...new Set([...this.network.params.map((p) => p.name), ...names])];
  }

  // -------------------------------------------------------------- statements
  private layer(layer: TypedLayer): void {
    const uses = this.usesOf(layer.body);
    // Lets of a layer speak of its own parameters, which differ from copy to copy: they are spread out.
    const own = new Map(layer.lets.filter((l) => l.kept).map((l) => [l.name, l]));
    for (let copy = 1; copy <= layer.repeat; copy++) {
      const prefix = `${layer.name}.${copy}`;
      const names = new Map(this.globals);
      for (const p of layer.params) names.set(p.name, fullName(p, layer, copy));
      for (const p of layer.params) {
        if (!p.shared || copy === 1) this.addParameter(p, names.get(p.name) ?? p.name, uses, names, copy, layer.lets);
      }
      for (const s of layer.body) this.statement(s, { prefix, path: `${layer.name}.${copy}`, names, layer: copy, owner: layer, lets: own });
    }
    // A variable of the layer is known in it alone.
    for (const s of layer.body) if (s.kind === "var") this.current.delete(s.name);
  }
  private statement(s: Exclude<TypedStatement, TypedLayer>, scope: Scope): void {
    const before = this.statements.length;
    this.assign(s, scope);
    for (const { target } of this.statements.slice(before)) this.origins.set(target, s);
  }
  private assign(s: Exclude<TypedStatement, TypedLayer>, scope: Scope): void {
    const qualified = (name: string): string => (scope.prefix ? `${scope.prefix}.${name}` : name);
    const path = (name: string): string => (scope.path ? `${scope.path}/${name}` : name);
    switch (s.kind) {
      case "objective": return;
      case "var": case "assign": {
        const value = s.kind === "var" ? s.init : s.value;
        const family = s.index === undefined ? {} : { family: { index: s.index, size: this.indices.get(s.index) ?? 1 } };
        const target = this.emit({
          target: qualified(s.name), value: this.spread(value, scope), path: path(s.name), names: this.namesNow(scope),
          numbers: numbersOf(scope), ...family, variable: s.name,
        });
        this.current.set(s.name, target);
        return;
      }
      case "output": {
        const target = this.emit({
          target: qualified(s.name), value: this.spread(s.value, scope), path: path(s.name), names: this.namesNow(scope), numbers: numbersOf(scope),
        });
        this.outputs.push({ name: s.name, type: this.valueType(s.type), value: target });
        this.outputNames.set(s.name, target);
        return;
      }
      case "step": this.step(s, scope); return;
    }
  }
  private spread(e: Expr, scope: Scope): Expr {
    return spreadLets(e, scope.lets);
  }
  private namesNow(scope: Scope, more: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
    return new Map([...scope.names, ...this.current, ...more]);
  }
  valueType(t: TypedValue): ValueType {
    const resolve = (d: Dim): Dim => this.resolveDim(d);
    const base = { kind: t.kind, shape: t.shape.map(resolve), rank: t.rank };
    return t.symbols ? { ...base, symbols: resolve(t.symbols) } : base;
  }
  resolveDim(d: Dim): Dim {
    return dimSubstitute(d, (s) => { const v = this.dims.get(s); return v === undefined ? undefined : dimNumber(v); });
  }

  // -------------------------------------------------------------- steps
  private taken(s: TypedStep, scope: Scope): boolean {
    if (!s.when) return true;
    try {
      return evaluate(s.when, this.environment(scope.layer)).data[0] !== 0;
    } catch {
      this.reporter.report(whenUndecided({ step: s.name }, at(s.ast.when?.span ?? s.span)));
      return false;
    }
  }
  private step(s: TypedStep, scope: Scope): void {
    const derivation = this.derivations.get(s);
    if (!derivation || !this.taken(s, scope)) return;
    const typed = this.network.variables.find((v) => v.name === s.variable);
    if (!typed) throw new Defect(`step ${s.name} has no variable ${s.variable}`);
    const qualified = scope.prefix ? `${scope.prefix}.${s.name}` : s.name;
    const path = scope.path ? `${scope.path}/${s.name}` : s.name;
    const numbers = numbersOf(scope);
    const Z = variableExpr(typed, s.variable);
    const zNow = this.current.get(s.variable) ?? s.variable;
    const emit = (suffix: string, value: Expr, names: ReadonlyMap<string, string>, more: Partial<UnrolledStatement> = {}): string =>
      this.emit({ target: suffix ? `${qualified}.${suffix}` : qualified, value: this.spread(value, scope), path, names, numbers, ...familyOf(typed, this.indices), ...more });

    // F is applied once, at the step's start, to the step's variable only.
    let start = zNow;
    if (s.prenorm) {
      const call = substitute(s.prenorm.call, (x) => (x.name === prenormHole ? symbol(s.variable, "var", x.shape, Z.kind === "symbol" ? Z.member : undefined) : undefined));
      start = emit("prenorm", call, this.namesNow(scope));
    }
    const atStart = this.namesNow(scope, new Map([[s.variable, start]]));
    if (derivation.captures.length > 0 && s.method.iterations > 1) {
      this.reporter.report(captureInLoop({ step: s.name }, at(s.captures[0]?.span ?? s.span)));
    }

    const inner = s.over;
    const iterated = inner ? inner.name : s.variable;
    const innerTyped: TypedVariable = inner
      ? { name: inner.name, shape: inner.shape, rank: 2, ...(inner.index === undefined ? {} : { index: inner.index }) }
      : typed;
    const X = variableExpr(innerTyped, iterated);
    const innerFamily = familyOf(innerTyped, this.indices);
    const emitInner = (suffix: string, value: Expr, names: ReadonlyMap<string, string>): string =>
      this.emit({ target: `${qualified}.${suffix}`, value: this.spread(value, scope), path, names, numbers, ...innerFamily });

    // The inner variable starts from a value; zeros are put in at once so that what they cancel is never computed.
    let value: Expr = inner && isZero(inner.from) ? inner.from : X;
    let names = atStart;
    if (inner && !isZero(inner.from)) names = new Map([...atStart, [inner.name, emitInner(inner.name, inner.from, atStart)]]);
    const put = (e: Expr, v: Expr): Expr => (v === X ? e : substitute(e, (x) => (x.name === iterated && x.role === X_role(X) ? v : undefined)));

    const usesMomentum = s.method.momentum.kind !== "none";
    // For an inner variable it starts anew in each copy.
    let momentum = (inner ? undefined : this.momenta.get(s)) ?? { state: atRest };
    const single = s.method.iterations === 1 && !usesMomentum && !inner;
    if (single) {
      this.capture(derivation, (e) => e, scope, atStart, path, numbers);
      this.finish(s, typed, derivation.update, Z, zNow, start, atStart, emit, scope);
      return;
    }
    for (let i = 1; i <= s.method.iterations; i++) {
      let from = value;
      let fromNames = names;
      if (usesMomentum && momentum.offset !== undefined) {
        const offsetName = made(iterated, "offset");
        const offset = symbol(offsetName, "var", innerTyped.shape, X.kind === "symbol" ? X.member : undefined);
        const ahead = emitInner(`ahead${i}`, add([value, offset]), new Map([...names, [offsetName, momentum.offset]]));
        fromNames = new Map([...names, [iterated, ahead]]);
        from = X;
      }
      // A capture is taken where the step is taken.
      this.capture(derivation, (e) => put(e, from), scope, fromNames, path, numbers);
      const next = emitInner(s.method.iterations === 1 ? (inner ? inner.name : "iteration") : `${inner ? inner.name : "iteration"}${i}`, put(derivation.update, from), fromNames);
      if (usesMomentum) {
        const { factor, next: state } = momentumFactor(s.method, momentum.state);
        momentum = { state };
        if (!isZero(factor)) {
          const newName = made(iterated, "new");
          const fresh = symbol(newName, "var", innerTyped.shape, X.kind === "symbol" ? X.member : undefined);
          const offset = emitInner(`offset${i}`, multiply(factor, subtract(fresh, value)), new Map([...names, [newName, next]]));
          momentum = { state, offset };
        }
      }
      names = new Map([...names, [iterated, next]]);
      value = X;
    }
    this.momenta.set(s, momentum);
    if (inner) this.finishInner(s, typed, innerTyped, X, names, zNow, start, emit);
    else this.finishIterated(s, typed, Z, names.get(iterated) ?? zNow, zNow, start, scope, emit);
  }

  /** One iteration without momentum: the update itself, or Z + Δ(F(Z)). */
  private finish(
    s: TypedStep, typed: TypedVariable, update: Expr, Z: Expr, zNow: string, start: string,
    atStart: ReadonlyMap<string, string>, emit: Emit, scope: Scope,
  ): void {
    this.checkShape(s, typed, update.shape);
    let value = update;
    let names = atStart;
    if (s.prenorm?.mode === "increment") {
      const name = made(s.variable, "norm");
      const normalised = symbol(name, "var", typed.shape, Z.kind === "symbol" ? Z.member : undefined);
      const increment = subtract(update, Z);
      value = add([Z, substitute(increment, (x) => (x.name === s.variable ? normalised : undefined))]);
      names = new Map([...atStart, [name, start], [s.variable, zNow]]);
    }
    if (!s.then) {
      this.current.set(s.variable, emit("", value, names, { variable: s.variable }));
      return;
    }
    const next = emit("optimised", value, names);
    this.current.set(s.variable, emit("", dropStops(s.then), this.namesNow(scope, new Map([[s.variable, next]])), { variable: s.variable }));
  }
  private finishIterated(s: TypedStep, typed: TypedVariable, Z: Expr, last: string, zNow: string, start: string, scope: Scope, emit: Emit): void {
    const member = Z.kind === "symbol" ? Z.member : undefined;
    const named = (name: string): Expr => symbol(name, "var", typed.shape, member);
    const [end, begin] = [made(s.variable, "last"), made(s.variable, "start")];
    const names = new Map([...this.namesNow(scope), [end, last], [begin, start], [s.variable, zNow]]);
    const value = s.prenorm?.mode === "increment" ? add([Z, subtract(named(end), named(begin))]) : named(end);
    if (!s.then) {
      this.current.set(s.variable, emit("", value, names, { variable: s.variable }));
      return;
    }
    const next = emit("optimised", value, names);
    this.current.set(s.variable, emit("", dropStops(s.then), this.namesNow(scope, new Map([[s.variable, next]])), { variable: s.variable }));
  }
  private finishInner(
    s: TypedStep, typed: TypedVariable, inner: TypedVariable, X: Expr, names: ReadonlyMap<string, string>, zNow: string, start: string, emit: Emit,
  ): void {
    const value = s.then ? dropStops(s.then) : X;
    if (!s.then && (!sameShape(inner.shape, typed.shape) || inner.index !== typed.index)) this.checkShape(s, typed, inner.shape);
    // Under `increment` the Z in `then` stays as it is; under `input` it is F(Z).
    const z = s.prenorm?.mode === "input" ? start : zNow;
    this.current.set(s.variable, emit("", value, new Map([...names, [s.variable, z]]), { variable: s.variable }));
  }
  private checkShape(s: TypedStep, typed: TypedVariable, shape: Shape): void {
    if (sameShape(shape, typed.shape)) return;
    const show = (x: Shape): string => `real[${x.filter((d, i) => i === 0 || d.key !== "1").map((d) => this.network.showDim(d)).join(", ")}]`;
    this.reporter.report(thenRequired({
      step: s.name, inner: s.over?.name ?? s.variable, shape: show(shape), variable: typed.name, wanted: show(typed.shape),
    }, at(s.ast.over?.name.span ?? s.ast.name.span)));
  }

  private capture(
    derivation: Derivation, put: (e: Expr) => Expr, scope: Scope, names: ReadonlyMap<string, string>, path: string, numbers: ReadonlyMap<string, number>,
  ): void {
    for (const c of derivation.captures) {
      const full = scope.names.get(c.name) ?? c.name;
      const family = c.index === undefined ? {} : { family: { index: c.index, size: this.indices.get(c.index) ?? 1 } };
      this.statements.push({ target: `${full}.captured`, value: this.spread(put(c.value), scope), path, names, numbers, ...family, capture: full });
    }
  }
}

interface Scope {
  readonly prefix: string;
  readonly path: string;
  readonly names: ReadonlyMap<string, string>;
  readonly layer: number | undefined;
  readonly owner: TypedLayer | undefined;
  readonly lets?: ReadonlyMap<string, TypedLayer["lets"][number]>;
}
type Emit = (suffix: string, value: Expr, names: ReadonlyMap<string, string>, more?: Partial<UnrolledStatement>) => string;
class Unknown extends Error {}

/** The expressions of a statement that its value is made of; captures are taken up by parameters. */
function writtenIn(s: Exclude<TypedStatement, TypedLayer>): readonly Expression[] {
  switch (s.kind) {
    case "objective": return [];
    case "var": case "assign": case "output": return [s.ast];
    case "step": {
      const { objective, surrogate, over, method, using, prenorm, then } = s.ast;
      return [objective, over?.from, surrogate, ...method.args.map((a) => a.value), ...using.flatMap((u) => u.args.map((a) => a.value)), prenorm?.call, then].filter((e) => e !== undefined);
    }
  }
}
function tell(s: Exclude<TypedStatement, TypedLayer>): string {
  return s.kind === "step" ? `the update of ${s.name}` : s.kind === "output" ? `output ${s.name}` : `the value of ${s.name}`;
}

const numbersOf = (scope: Scope): ReadonlyMap<string, number> => (scope.layer === undefined ? new Map() : new Map([["layer", scope.layer]]));
function variableExpr(v: TypedVariable, name: string): Expr {
  return v.index === undefined ? symbol(name, "var", v.shape) : symbol(name, "var", v.shape, { kind: "variable", name: v.index });
}
const X_role = (X: Expr): SymbolExpr["role"] => (X.kind === "symbol" ? X.role : "var");
function familyOf(v: TypedVariable, indices: ReadonlyMap<string, number>): Partial<UnrolledStatement> {
  return v.index === undefined ? {} : { family: { index: v.index, size: indices.get(v.index) ?? 1 } };
}

const fullName = (p: TypedParam, layer: TypedLayer, copy: number): string => (p.shared ? `${layer.name}.${p.name}` : `${layer.name}.${copy}.${p.name}`);
/** A name for what unrolling makes of a variable, shown as `Z_new`. No spec can write the whole of it. */
const made = (variable: string, what: string): string => `made.${variable}_${what}`;

/** The unrolled network. Faults are reported; the result is complete all the same. */
export function unroll(network: TypedNetwork, derivations: ReadonlyMap<TypedStep, Derivation>, reporter: Reporter): UnrolledNetwork {
  const u = new Unroller(network, derivations, reporter);
  u.run();
  const free = network.dims.filter((d) => d.value === undefined && d.definition === undefined && !d.batch).map((d) => d.name);
  return {
    name: network.name,
    ...(network.doc === undefined ? {} : { doc: network.doc }),
    dims: new Map(network.dims.flatMap((d) => (d.value === undefined ? [] : [[d.name, d.value] as const]))),
    freeDims: free,
    ...(network.batchDim === undefined ? {} : { batchDim: network.batchDim }),
    indices: new Map(network.indices.map((i) => [i.name, i.count])),
    definitions: u.definitions,
    inputs: network.inputs.map((i) => ({ name: i.name, type: u.valueType(i.type) })),
    targets: network.targets.map((t) => ({ name: t.name, type: u.valueType(t.type) })),
    parameters: u.parameters,
    statements: u.statements,
    outputs: u.outputs,
    ...(network.train?.loss ? { loss: network.train.loss } : {}),
    lossNames: new Map([
      ...network.params.map((p) => [p.name, p.name] as const),
      ...network.inputs.map((i) => [i.name, i.name] as const),
      ...network.targets.map((t) => [t.name, t.name] as const),
      ...u.current, ...u.outputNames,
    ]),
    ...(network.train ? { training: network.train.program } : {}),
  };
}
