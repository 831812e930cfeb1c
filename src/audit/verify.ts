/** Is a derivation right? Every line against something that does not use the calculus: finite differences, minimality, the lemma itself. */
import { type Derivation, dropStops } from "../calculus/derive.js";
import type { Variable } from "../calculus/gradient.js";
import { add, apply, contains, type Expr, freeIndices, hadamard, indexSum, isScalar, mapChildren, multiply, symbol } from "../expression/expr.js";
import { showExpr } from "../expression/print.js";
import { type Environment, evaluate, evaluateDim } from "../numeric/evaluate.js";
import { numericGradient } from "../numeric/finite-difference.js";
import { frobenius, relativeError, subtractValues, value, type Value } from "../numeric/matrix.js";
import { createGenerator } from "../numeric/sample.js";
import type { TypedLemma, TypedNetwork, TypedStep } from "../semantics/program.js";
import { lemmaDifference } from "./identities.js";
import { networkPoint } from "./test-points.js";

export type CheckKind = "finite differences" | "minimality" | "identity" | "approximation" | "expect" | "not checked";
export interface Check {
  readonly step: string;
  readonly rule: string;
  readonly kind: CheckKind;
  /** Largest relative error; for an approximation its measured error, which decides nothing. */
  readonly error: number;
  readonly ok: boolean;
  readonly note?: string;
}
export interface VerifyOptions {
  readonly trials: number;
  readonly seed: number;
}
const gradientTolerance = 1e-6;
const identityTolerance = 1e-7;

/** The environment with the variable (all members) at other values. */
function withVariable(environment: Environment, variable: Variable, members: readonly Value[]): Environment {
  return {
    ...environment,
    lookup: (name, member) => (name === variable.name ? members[member === undefined ? 0 : member - 1] : environment.lookup(name, member)),
  };
}
function membersOf(environment: Environment, variable: Variable, count: number): readonly Value[] {
  const all = Array.from({ length: variable.index === undefined ? 1 : count }, (_, i) =>
    environment.lookup(variable.name, variable.index === undefined ? undefined : i + 1));
  return all.map((v) => v ?? value(variable.shape.map((d) => evaluateDim(d, environment.dims)), new Float64Array(variable.shape.reduce((n, d) => n * evaluateDim(d, environment.dims), 1))));
}
/** `stop(X)` as a symbol of its own, so that finite differences hold it still. */
export function frozen(e: Expr): { expression: Expr; held: ReadonlyMap<string, Expr> } {
  const held = new Map<string, Expr>();
  const memory = new Map<number, Expr>();
  // From the outside in: what stands in a stop is held as a whole, stops within it too.
  const visit = (x: Expr): Expr => {
    const known = memory.get(x.id);
    if (known) return known;
    const made = x.kind === "apply" && x.fn === "stop" && x.args[0] ? hold(x.args[0]) : mapChildren(x, visit);
    memory.set(x.id, made);
    return made;
  };
  const hold = (x: Expr): Expr => {
    const name = `·stop${held.size + 1}`;
    held.set(name, dropStops(x));
    const [index] = freeIndices(x);
    return index === undefined ? symbol(name, "const", x.shape) : symbol(name, "const", x.shape, { kind: "variable", name: index });
  };
  const expression = visit(e);
  return { expression, held };
}
function holding(environment: Environment, held: ReadonlyMap<string, Expr>, at: Environment): Environment {
  return {
    ...environment,
    lookup: (name, member) => {
      const e = held.get(name);
      if (!e) return environment.lookup(name, member);
      const [index] = freeIndices(e);
      return evaluate(e, index === undefined || member === undefined ? at : { ...at, indices: new Map([...(at.indices ?? []), [index, member]]) });
    },
  };
}

function checkGradient(f: Expr, slope: Expr, variable: Variable, environment: Environment, members: readonly Value[]): number {
  const { expression, held } = frozen(f);
  const here = withVariable(environment, variable, members);
  let worst = 0;
  members.forEach((member, i) => {
    const numeric = numericGradient((x) => {
      const moved = members.map((m, j) => (j === i ? value(m.shape, x) : m));
      return evaluate(expression, holding(withVariable(environment, variable, moved), held, here)).data[0] ?? Number.NaN;
    }, member.data);
    const at: Environment = variable.index === undefined ? here : { ...here, indices: new Map([[variable.index, i + 1]]) };
    const symbolic = evaluate(slope, at);
    const full = isScalar(slope) && member.data.length > 1 ? value(member.shape, new Float64Array(member.data.length).fill(symbolic.data[0] ?? 0)) : symbolic;
    worst = Math.max(worst, relativeError(full, value(member.shape, numeric)));
  });
  return worst;
}

/** Does the exact or proximal step attain the least value among nearby points? The largest gain that a nearby point offers, relative. */
function checkMinimality(d: Derivation, environment: Environment, members: readonly Value[], seed: number): number {
  const generator = createGenerator(seed);
  const { expression, held } = frozen(d.minimised);
  const here = withVariable(environment, d.variable, members);
  const rate = d.step.method.rate ? (evaluate(d.step.method.rate, here).data[0] ?? 1) : 1;
  const quadratic = d.step.method.name !== "exact";
  const result = members.map((_, i) => evaluate(d.exact, d.variable.index === undefined ? here : { ...here, indices: new Map([[d.variable.index, i + 1]]) }));
  const score = (points: readonly Value[]): number => {
    const at = holding(withVariable(environment, d.variable, points), held, here);
    const f = evaluate(expression, at).data[0] ?? Number.NaN;
    const distance = quadratic ? points.reduce((sum, p, i) => sum + frobenius(subtractValues(p, members[i] as Value)) ** 2, 0) : 0;
    return f + distance / (2 * rate);
  };
  const best = score(result);
  let gain = 0;
  for (let k = 0; k < 60; k++) {
    const size = 10 ** -(1 + (k % 5));
    const moved = result.map((r) => value(r.shape, r.data.map((x) => (x === 0 && k % 2 === 0 ? 0 : x + size * generator.normal()))));
    const other = score(moved);
    if (Number.isFinite(other)) gain = Math.max(gain, (best - other) / Math.max(1, Math.abs(best)));
  }
  return Number.isFinite(best) ? gain : Number.POSITIVE_INFINITY;
}

function verifyStep(network: TypedNetwork, name: string, d: Derivation, options: VerifyOptions): readonly Check[] {
  const checks: Check[] = [];
  const count = network.indices.find((i) => i.name === d.variable.index)?.count ?? 1;
  // A rate that drops out of the update (a projection's) still weighs the distance in a check of minimality.
  const expressions = [d.minimised, d.exact, d.update, ...(d.step.method.rate ? [d.step.method.rate] : []), ...d.lines.map((l) => l.expression), ...d.lines.flatMap((l) => l.applications.flatMap((a) => [a.before, a.after]))];
  const seeds = Array.from({ length: options.trials }, (_, i) => options.seed * 65537 + i);
  const points = seeds.flatMap((seed) => {
    const environment = networkPoint(network, expressions, seed);
    if (!environment) return [];
    const smallCount = variableCount(d.variable, environment, expressions, count);
    return [{ environment, members: membersOf(environment, d.variable, smallCount), seed }];
  });
  const worst = (f: (p: (typeof points)[number]) => number): number => Math.max(0, ...points.map((p) => { const e = f(p); return Number.isNaN(e) ? Number.POSITIVE_INFINITY : e; }));
  if (points.length === 0) return [{ step: name, rule: "all", kind: "not checked", error: 0, ok: true, note: "no small sizes fit its shapes" }];
  const smooth = d.lines.find((l) => l.kind === "smooth")?.expression ?? d.minimised;
  for (const line of d.lines) {
    switch (line.kind) {
      case "objective": case "surrogate": case "smooth": case "nonsmooth": case "capture": break;
      case "gradient": {
        const error = worst((p) => checkGradient(smooth, line.expression, d.variable, p.environment, p.members));
        checks.push({ step: name, rule: line.rule, kind: "finite differences", error, ok: error <= gradientTolerance });
        break;
      }
      case "update": {
        if (line.rule === "exact" || line.rule === "proximal") {
          const error = worst((p) => checkMinimality(d, p.environment, p.members, p.seed));
          checks.push({ step: name, rule: line.rule, kind: "minimality", error, ok: error <= 1e-9 });
        } else if (line.rule === "proximal_gradient" && d.lines.some((l) => l.kind === "nonsmooth")) {
          const proximalOnly = proximalPart(d);
          if (proximalOnly) {
            const error = worst((p) => checkMinimality(proximalOnly, p.environment, p.members, p.seed));
            checks.push({ step: name, rule: line.rule, kind: "minimality", error, ok: error <= 1e-9 });
          }
        }
        break;
      }
      case "lemma": for (const a of line.applications) {
        const holds = (p: (typeof points)[number]): number => {
          const at = withVariable(p.environment, d.variable, p.members);
          const free = [...new Set([...freeIndices(a.before), ...freeIndices(a.after)])];
          const env: Environment = free.length === 0 ? at : { ...at, indices: new Map(free.map((i) => [i, 1])) };
          return relativeError(evaluate(dropStops(a.after), env), evaluate(dropStops(a.before), env));
        };
        const error = worst(holds);
        const identity = line.relation === "identity";
        checks.push({
          step: name, rule: line.rule, kind: identity ? "identity" : "approximation", error, ok: !identity || error <= identityTolerance,
          ...(a.when ? { note: `when ${showExpr(a.when)}` } : {}),
        });
      }
    }
  }
  if (d.step.expect) checks.push({ step: name, rule: "expect", kind: "expect", error: 0, ok: true, ...(d.expected ? {} : { note: "numerically" }) });
  return checks;
}
function variableCount(variable: Variable, environment: Environment, expressions: readonly Expr[], count: number): number {
  if (variable.index === undefined) return 1;
  let size: number | undefined;
  for (const e of expressions) contains(e, (x) => {
    if (x.kind === "indexSum" && size === undefined) size = evaluateDim(x.size, environment.dims);
    return size !== undefined;
  });
  return size ?? count;
}
/** The proximal half of a proximal gradient step as a step of its own: minimise h around the gradient step's result. */
function proximalPart(d: Derivation): Derivation | undefined {
  const h = d.lines.find((l) => l.kind === "nonsmooth")?.expression;
  const slope = d.lines.find((l) => l.kind === "gradient")?.expression;
  if (!h || !d.step.method.rate) return undefined;
  if (!slope) return { ...d, minimised: h };
  // With the smooth part made linear at the point, the step minimises <∇g, x> + h(x) + |x − Z|²/(2t) exactly.
  return { ...d, minimised: add([h, linearised(slope, d)]) };
}
function linearised(slope: Expr, d: Derivation): Expr {
  const Z = d.variable.index === undefined
    ? symbol(d.variable.name, "var", d.variable.shape) : symbol(d.variable.name, "var", d.variable.shape, { kind: "variable", name: d.variable.index });
  const held = apply("stop", [dropStops(slope)]);
  const term = isScalar(Z) ? multiply(held, Z) : apply("total", [hadamard([held, Z])]);
  if (d.variable.index === undefined) return term;
  const sum = d.lines.flatMap((l) => [l.expression]).find((e) => contains(e, (x) => x.kind === "indexSum" && x.index === d.variable.index));
  let size: Expr | undefined;
  if (sum) contains(sum, (x) => { if (x.kind === "indexSum" && x.index === d.variable.index) size = indexSum(x.index, x.size, term); return size !== undefined; });
  return size ?? term;
}

export function verifyNetwork(network: TypedNetwork, derivations: ReadonlyMap<TypedStep, Derivation>, options: VerifyOptions): readonly Check[] {
  const layerOf = new Map(network.statements.flatMap((s) => (s.kind === "layer" ? s.body.map((x) => [x, s.name] as const) : [])));
  return [...derivations].flatMap(([step, d]) => {
    const layer = layerOf.get(step);
    return verifyStep(network, layer === undefined ? step.name : `${layer}.${step.name}`, d, options);
  });
}
export function verifyLemmas(lemmas: readonly TypedLemma[], trials: number): readonly Check[] {
  return lemmas.filter((l) => l.relation === "identity").map((l): Check => {
    const found = lemmaDifference(l, trials);
    if (!found) return { step: "lemma", rule: l.name, kind: "not checked", error: 0, ok: true, note: "no sizes fit" };
    return { step: "lemma", rule: l.name, kind: "identity", error: found.difference, ok: found.difference <= identityTolerance };
  });
}
