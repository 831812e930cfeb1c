/** Is a derivation right? Every line against something that does not use the calculus: finite differences, minimality, the lemma itself. */
import { type Derivation, dropStops } from "../calculus/derive.js";
import type { Variable } from "../calculus/gradient.js";
import { add, apply, contains, type Expr, freeIndices, hadamard, indexSum, isScalar, mapChildren, multiply, symbol } from "../expression/expr.js";
import { showExpr } from "../expression/print.js";
import { type Environment, evaluate, evaluateDim } from "../numeric/evaluate.js";
import { numericGradient } from "../numeric/finite-difference.js";
import { addValues, frobenius, mapEntries, relativeError, scaleValue, subtractValues, value, type Value } from "../numeric/matrix.js";
import { createGenerator } from "../numeric/sample.js";
import type { TypedLemma, TypedNetwork, TypedStep } from "../semantics/program.js";
import { evidence, lemmaDifference } from "./identities.js";
import { networkPoints } from "./test-points.js";

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
const minimalityTolerance = 1e-9;

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

interface Point {
  readonly environment: Environment;
  readonly members: readonly Value[];
  readonly seed: number;
}

/** The relative error of a gradient; undefined where the function is not defined at or around the point (a logarithm of what is negative). */
function checkGradient(f: Expr, slope: Expr, variable: Variable, { environment, members }: Point): number | undefined {
  const { expression, held } = frozen(f);
  const here = withVariable(environment, variable, members);
  let worst = 0;
  let defined = true;
  members.forEach((member, i) => {
    if (!defined) return;
    const numeric = numericGradient((x) => {
      const moved = members.map((m, j) => (j === i ? value(m.shape, x) : m));
      return evaluate(expression, holding(withVariable(environment, variable, moved), held, here)).data[0] ?? Number.NaN;
    }, member.data);
    defined &&= numeric.every(Number.isFinite);
    const at: Environment = variable.index === undefined ? here : { ...here, indices: new Map([[variable.index, i + 1]]) };
    const symbolic = evaluate(slope, at);
    const full = isScalar(slope) && member.data.length > 1 ? value(member.shape, new Float64Array(member.data.length).fill(symbolic.data[0] ?? 0)) : symbolic;
    worst = Math.max(worst, relativeError(full, value(member.shape, numeric)));
  });
  return defined ? worst : undefined;
}

/**
 * Does the exact or proximal step attain the least value among nearby points? The largest gain that a nearby point offers, relative; undefined
 * where there is no least value: a quadratic whose weights happen to be negative curves downwards.
 */
function checkMinimality(d: Derivation, { environment, members, seed }: Point): number | undefined {
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
  const far = (sign: number, along: readonly Value[]): number => score(result.map((r, i) => addValues(r, scaleValue(along[i] as Value, sign * 100))));
  let gain = 0;
  for (let k = 0; k < 60; k++) {
    const size = 10 ** -(1 + (k % 5));
    const moved = result.map((r) => value(r.shape, r.data.map((x) => (x === 0 && k % 2 === 0 ? 0 : x + size * generator.normal()))));
    const other = score(moved);
    if (Number.isFinite(other)) gain = Math.max(gain, (best - other) / Math.max(1, Math.abs(best)));
    const along = result.map((r, i) => scaleValue(subtractValues(moved[i] as Value, r), 1 / size));
    if (far(1, along) + far(-1, along) < 2 * best) return undefined;
  }
  if (Number.isFinite(best)) return gain;
  // Where no value of the variable gives one, it is not the step's doing: a logarithm of a weight that happens to be negative.
  const elsewhere = [members, members.map((m) => mapEntries(m, (x) => Math.abs(x) + 0.1)), members.map((m) => scaleValue(m, 0))];
  return elsewhere.every((points) => Number.isNaN(score(points))) ? undefined : Number.POSITIVE_INFINITY;
}

const untriedBecause: Readonly<Record<CheckKind, string>> = {
  "finite differences": "is the function defined", minimality: "is there a minimum", identity: "are its sides finite", approximation: "are its sides finite",
  expect: "are its sides finite", "not checked": "does it say anything",
};
/** A trial's points, each drawn when it is asked for. */
function drawnPoints(network: TypedNetwork, d: Derivation, expressions: readonly Expr[], seed: number): (i: number) => Point | undefined {
  const known: Point[] = [];
  const count = network.indices.find((i) => i.name === d.variable.index)?.count ?? 1;
  const drawing = networkPoints(network, expressions, seed);
  return (i) => {
    while (known.length <= i) {
      const next = drawing.next();
      if (next.done) break;
      const { environment } = next.value;
      known.push({ ...next.value, members: membersOf(environment, d.variable, variableCount(d.variable, environment, expressions, count)) });
    }
    return known[i];
  };
}

function verifyStep(network: TypedNetwork, name: string, d: Derivation, options: VerifyOptions): readonly Check[] {
  const checks: Check[] = [];
  // A rate that drops out of the update (a projection's) still weighs the distance in a check of minimality.
  const expressions = [d.minimised, d.exact, d.update, ...(d.step.method.rate ? [d.step.method.rate] : []), ...d.lines.map((l) => l.expression), ...d.lines.flatMap((l) => l.applications.flatMap((a) => [a.before, a.after]))];
  const seeds = Array.from({ length: options.trials }, (_, i) => options.seed * 65537 + i);
  const drawn = seeds.map((seed) => drawnPoints(network, d, expressions, seed));
  // For each trial the first point at which the check says anything.
  const worst = (f: (p: Point) => number | undefined): number | undefined => {
    const errors = drawn.flatMap((points) => {
      for (let [i, p] = [0, points(0)]; p; p = points(++i)) {
        const e = f(p);
        if (e !== undefined) return [Number.isNaN(e) ? Number.POSITIVE_INFINITY : e];
      }
      return [];
    });
    return errors.length === 0 ? undefined : Math.max(...errors);
  };
  const check = (rule: string, kind: CheckKind, f: (p: Point) => number | undefined, allowed: number, note?: string): Check => {
    const error = worst(f);
    if (error === undefined) return { step: name, rule, kind: "not checked", error: 0, ok: true, note: `at none of the points that were drawn ${untriedBecause[kind]}` };
    return { step: name, rule, kind, error, ok: error <= allowed, ...(note === undefined ? {} : { note }) };
  };
  if (!drawn.some((points) => points(0))) return [{ step: name, rule: "all", kind: "not checked", error: 0, ok: true, note: "no small sizes fit its shapes" }];
  const smooth = d.lines.find((l) => l.kind === "smooth")?.expression ?? d.minimised;
  for (const line of d.lines) {
    switch (line.kind) {
      case "objective": case "surrogate": case "smooth": case "nonsmooth": case "capture": break;
      case "gradient":
        checks.push(check(line.rule, "finite differences", (p) => checkGradient(smooth, line.expression, d.variable, p), gradientTolerance));
        break;
      case "update": {
        const minimised = line.rule === "exact" || line.rule === "proximal" ? d
          : line.rule === "proximal_gradient" && d.lines.some((l) => l.kind === "nonsmooth") ? proximalPart(d) : undefined;
        if (minimised) checks.push(check(line.rule, "minimality", (p) => checkMinimality(minimised, p), minimalityTolerance));
        break;
      }
      case "lemma": for (const a of line.applications) {
        const holds = (p: Point): number | undefined => {
          const at = withVariable(p.environment, d.variable, p.members);
          const free = [...new Set([...freeIndices(a.before), ...freeIndices(a.after)])];
          const env: Environment = free.length === 0 ? at : { ...at, indices: new Map(free.map((i) => [i, 1])) };
          const [after, before] = [evaluate(dropStops(a.after), env), evaluate(dropStops(a.before), env)];
          return evidence(after, before) ? relativeError(after, before) : undefined;
        };
        const identity = line.relation === "identity";
        checks.push(check(line.rule, identity ? "identity" : "approximation", holds, identity ? identityTolerance : Number.POSITIVE_INFINITY, a.when && `when ${showExpr(a.when)}`));
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
    if ("untried" in found) return { step: "lemma", rule: l.name, kind: "not checked", error: 0, ok: true, note: found.untried };
    return { step: "lemma", rule: l.name, kind: "identity", error: found.difference, ok: found.difference <= identityTolerance };
  });
}
