/** A derivation as a log that somebody else can replay: rule, before, after, test points and the values there. */
import { type Derivation, type DerivationLine, ruleOf } from "../calculus/derive.js";
import { applyRule } from "../calculus/lemmas.js";
import { variableSymbol } from "../calculus/proximal.js";
import type { Dim } from "../expression/dim.js";
import { contains, type Expr, freeIndices, isScalar, renameFreeIndex, rewrite, symbol } from "../expression/expr.js";
import { functionRow } from "../expression/functions.js";
import { shownName } from "../expression/reading.js";
import { showExpr } from "../expression/print.js";
import { type Environment, evaluate, evaluateDim } from "../numeric/evaluate.js";
import type { Value } from "../numeric/matrix.js";
import type { TypedNetwork, TypedStep } from "../semantics/program.js";
import { type LoggedLine, type LoggedPoint, type LoggedStep, type LoggedTensor, type ProofLog, replacedName } from "./check-log.js";
import { networkPoints } from "./test-points.js";
import type { VerifyOptions } from "./verify.js";

const tensor = (v: Value): LoggedTensor => ({ rows: v.shape[0] ?? 1, cols: v.shape[1] ?? 1, data: [...v.data] });

const words = (v: Value): (number | string)[] => Array.from(v.data, (x) => (Number.isFinite(x) ? x : String(x)));

/** An environment that remembers what it was asked for; captures have the values that they stand for. */
class Recorder {
  readonly values = new Map<string, LoggedTensor[]>();
  readonly sizes = new Map<string, number>();
  readonly environment: Environment;
  constructor(inner: Environment, d: Derivation, arrays: Arrays) {
    const captures = new Map(d.captures.map((c) => [c.name, c]));
    const self: Environment = {
      dims: (s) => { const n = inner.dims(s); this.sizes.set(shownName(s), n); return n; },
      lookup: (name, member) => {
        const captured = captures.get(name);
        const array = arrays.held.get(name);
        if (array) {
          const v = evaluate(array, inner);
          this.values.set(name, [tensor(v)]);
          return v;
        }
        if (captured) return evaluate(captured.value, captured.index === undefined || member === undefined ? self : { ...self, indices: new Map([[captured.index, member]]) });
        const v = inner.lookup(name, member);
        if (v) {
          const list = this.values.get(shownName(name)) ?? [];
          list[(member ?? 1) - 1] = tensor(v);
          // A list has no holes: where only U[2] is asked for, U[1] stands before it.
          for (let i = 0; i < list.length; i++) list[i] ??= tensor(inner.lookup(name, i + 1) ?? v);
          this.values.set(shownName(name), list);
        }
        return v;
      },
    };
    this.environment = self;
  }
}
/** Functions of arrays (patches of an image) are data to a derivation: each is a name, with its value at every point. */
class Arrays {
  readonly held = new Map<string, Expr>();
  private readonly names = new Map<number, Expr>();
  readonly named = (e: Expr): Expr => rewrite(e, (x) => {
    if (x.kind !== "apply" || functionRow(x.fn).class !== "array") return x;
    const known = this.names.get(x.id) ?? symbol(`_array${this.names.size + 1}`, "const", x.shape);
    this.names.set(x.id, known);
    if (known.kind === "symbol") this.held.set(known.name, x);
    return known;
  });
}
function indexSizes(expressions: readonly Expr[], environment: Environment, around: Iterable<readonly [string, Dim]> = []): ReadonlyMap<string, number> {
  const sizes = new Map([...around].map(([name, size]) => [name, evaluateDim(size, environment.dims)]));
  for (const e of expressions) contains(e, (x) => {
    if (x.kind === "indexSum") sizes.set(x.index, evaluateDim(x.size, environment.dims));
    if (x.kind === "apply" && x.family) sizes.set(x.family.index, evaluateDim(x.family.size, environment.dims));
    return false;
  });
  return sizes;
}
/** The update with a name where the lemma matched; undefined where it matched different things in several places. */
function contextOf(d: Derivation, line: DerivationLine, previous: Expr, sizes: ReadonlyMap<string, Dim>): Expr | undefined {
  const use = d.step.using.find((u) => u.lemma.name === line.rule);
  const [first, ...rest] = line.applications;
  if (!use || !first || rest.some((a) => a.before.id !== first.before.id || a.after.id !== first.after.id)) return undefined;
  // Under a sum that binds an index of the replaced part, the name must depend on it too.
  const [bound] = [first.before, first.after].flatMap((e) => [...freeIndices(e)]).filter((name) => name !== d.variable.index);
  const marker = symbol(replacedName, "const", first.after.shape, bound === undefined ? undefined : { kind: "variable", name: bound });
  const { when: _, ...rule } = ruleOf(use);
  return applyRule(previous, { ...rule, right: marker }, sizes, variableSymbol(d.variable))?.result;
}

const expressionsOf = (d: Derivation): readonly Expr[] =>
  [d.minimised, ...d.lines.flatMap((l) => [l.expression, ...l.applications.flatMap((a) => [a.before, a.after, ...(a.when ? [a.when] : [])])]), ...d.captures.map((c) => c.value)];
function mapExpressions(d: Derivation, f: (e: Expr) => Expr): Derivation {
  return {
    ...d, minimised: f(d.minimised), exact: f(d.exact), update: f(d.update), captures: d.captures.map((c) => ({ ...c, value: f(c.value) })),
    lines: d.lines.map((l) => ({ ...l, expression: f(l.expression), applications: l.applications.map((a) => ({ ...a, before: f(a.before), after: f(a.after), ...(a.when ? { when: f(a.when) } : {}) })) })),
  };
}
/** The lemma's own words, with what each parameter stands for; where several places matched differently the first speaks for all. */
function instanceOf(d: Derivation, line: DerivationLine): LoggedLine["lemma"] {
  const use = d.step.using.find((u) => u.lemma.name === line.rule);
  const [first] = line.applications;
  if (!use || !first) return undefined;
  const holes = new Map([...use.given, ...first.holes]);
  return {
    text: use.lemma.text.replace(/\s+/g, " ").trim(),
    holes: Object.fromEntries(use.lemma.holes.flatMap((h) => {
      const value = holes.get(h.name);
      if (!value) return [];
      return [[h.name, showExpr(h.index === undefined ? value : renameFreeIndex(value, h.index, { kind: "variable", name: shownName(h.index) }))]];
    })),
  };
}
/** The first of a trial's points at which every line is defined (of an indicator infinity is a value); any, where there is none. */
function definedPoint(network: TypedNetwork, d: Derivation, expressions: readonly Expr[], seed: number): Environment | undefined {
  let any: Environment | undefined;
  for (const { environment } of networkPoints(network, expressions, seed)) {
    any ??= environment;
    const indices = new Map([...indexSizes(expressions, environment)].map(([name]) => [name, 1]));
    if (d.lines.every((l) => !evaluate(l.expression, { ...environment, indices }).data.some(Number.isNaN))) return environment;
  }
  return any;
}
const perMember: ReadonlySet<DerivationLine["kind"]> = new Set(["gradient", "update", "capture", "lemma"]);

function logStep(network: TypedNetwork, name: string, whole: Derivation, options: VerifyOptions): LoggedStep | undefined {
  const sizes = new Map(network.indices.map((i) => [i.name, i.size]));
  const everything = expressionsOf(whole);
  const arrays = new Arrays();
  const d = mapExpressions(whole, arrays.named);
  const expressions = expressionsOf(d);
  const recorders = Array.from({ length: options.trials }, (_, i) => definedPoint(network, whole, everything, options.seed * 65537 + i))
    .flatMap((e) => (e ? [new Recorder(e, d, arrays)] : []));
  if (recorders.length === 0) return undefined;
  const { index } = d.variable;
  const around = d.lines.flatMap((l) => l.applications.flatMap((a) => [...a.around]));
  const counts = recorders.map((r) => indexSizes(expressions, r.environment, around));
  const membersAt = (e: Expr, each: boolean): LoggedLine["values"] => recorders.map((r, i) => {
    const count = index === undefined || !each ? 1 : (counts[i]?.get(index) ?? 1);
    return Array.from({ length: count }, (_, k) => words(evaluate(e, index === undefined || !each ? r.environment : { ...r.environment, indices: new Map([[index, k + 1]]) })));
  });
  let previous: Expr | undefined;
  const lines = d.lines.map((line): LoggedLine => {
    const rewriting = line.kind === "capture" || line.kind === "lemma";
    const context = line.kind === "lemma" && line.relation === "approximation" && previous ? contextOf(d, line, previous, sizes) : undefined;
    const lemma = line.kind === "lemma" ? instanceOf(d, line) : undefined;
    const logged: LoggedLine = {
      kind: line.kind, rule: line.rule,
      ...(rewriting ? { relation: line.relation ?? "identity" } : {}),
      ...(rewriting && previous ? { before: showExpr(previous) } : {}),
      after: showExpr(line.expression),
      ...(rewriting ? { replaced: line.applications.map((a) => ({ before: showExpr(a.before), after: showExpr(a.after), ...(a.when ? { when: showExpr(a.when) } : {}) })) } : {}),
      ...(lemma ? { lemma } : {}),
      ...(context ? { context: showExpr(context) } : {}),
      values: membersAt(line.expression, perMember.has(line.kind)),
    };
    if (rewriting || line.kind === "update") previous = line.expression;
    return logged;
  });
  // What only the rate or a replaced part needs is asked for too, so that the checker finds a value.
  const others = [...(d.step.method.rate ? [d.step.method.rate] : []), ...expressions];
  recorders.forEach((r, i) => others.forEach((e) => {
    const free = new Map([...(counts[i] ?? [])].map(([k]) => [k, 1]));
    evaluate(e, { ...r.environment, indices: free });
  }));
  const points = recorders.map((r, i): LoggedPoint => {
    if (!isScalar(d.exact)) r.environment.lookup(d.variable.name, index === undefined ? undefined : 1);
    return { sizes: Object.fromEntries(r.sizes), counts: Object.fromEntries(counts[i] ?? []), values: Object.fromEntries(r.values) };
  });
  return {
    step: name, sense: d.step.sense, method: d.step.method.name, ...(d.step.method.rate ? { rate: showExpr(d.step.method.rate) } : {}),
    variable: { name: d.variable.name, ...(index === undefined ? {} : { index }) },
    captures: d.captures.map((c) => ({ name: c.name, ...(c.index === undefined ? {} : { index: c.index }), value: showExpr(c.value) })),
    points, lines,
  };
}
export function proofLog(network: TypedNetwork, derivations: ReadonlyMap<TypedStep, Derivation>, options: VerifyOptions): ProofLog {
  const layerOf = new Map(network.statements.flatMap((s) => (s.kind === "layer" ? s.body.map((x) => [x, s.name] as const) : [])));
  const steps = [...derivations].flatMap(([step, d]) => {
    const layer = layerOf.get(step);
    const logged = logStep(network, layer === undefined ? step.name : `${layer}.${step.name}`, d, options);
    return logged ? [logged] : [];
  });
  return { format: 1, generator: "crate-compile", network: network.name, steps };
}
