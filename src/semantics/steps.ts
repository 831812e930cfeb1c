/** Steps: objective, method, captures, lemmas, normalisation, what the variable becomes. */
import { at } from "../diagnostics/declare.js";
import type { Dim } from "../expression/dim.js";
import { type Expr, symbol, symbolsOf } from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import { type LemmaUseTyped, type MethodName, prenormHole, type TypedLemma, type TypedMethod, type TypedParam, type TypedStep, type TypedVariable } from "./program.js";
import type { Expression, LemmaDeclaration, LemmaUse, MethodCall, StepDeclaration } from "../syntax/ast.js";
import { duplicateName, familyMisuse, lemmaFault, stepFault, unknownName, wrongShape } from "./diagnostics.js";
import { bindHoleShape, elaborate, elaborateAs, elaborateScalar, familyOrValue, showHole, showShape, strip, textOf } from "./elaborate-expression.js";
import { nearest } from "../diagnostics/nearest.js";
import { type Context, Scope } from "./scope.js";

export interface LemmaTable {
  readonly declarations: ReadonlyMap<string, LemmaDeclaration>;
  readonly typed: ReadonlyMap<string, TypedLemma>;
}
export interface StepContext {
  readonly context: Context;
  readonly variables: readonly TypedVariable[];
  readonly lemmas: LemmaTable;
  readonly addParam: (p: TypedParam) => void;
  readonly shapeOf: (type: StepDeclaration["over"] & object) => { shape: Shape; rank: number } | undefined;
}
const methods: readonly MethodName[] = ["gradient", "proximal_gradient", "proximal", "exact"];

/** Where these indices run. */
const under = (context: Context, ...indices: readonly (string | undefined)[]): Context => ({ ...context, running: indices.filter((i) => i !== undefined) });

export function elaborateStep(s: StepDeclaration, sc: StepContext): TypedStep | undefined {
  const { context } = sc;
  const { reporter } = context;
  const name = s.name.name;
  const before = reporter.diagnostics.length;
  const variable = chooseVariable(s, sc);
  const scope = new Scope(context.scope);
  const inside: Context = { ...context, scope };
  let over: TypedStep["over"];
  if (s.over) {
    const type = sc.shapeOf(s.over);
    if (context.scope.find(s.over.name.name) || context.dims.has(s.over.name.name)) reporter.report(duplicateName({ name: s.over.name.name }, at(s.over.name.span)));
    if (type) {
      const { shape } = type;
      const index = s.over.index?.name;
      const binding = index === undefined ? undefined : context.scope.find(index);
      const innerName = s.over.name.name;
      const from = elaborateAs(s.over.from, under(context, index), shape, `the start of ${innerName}`);
      if (from) over = { name: innerName, shape, from, ...(index === undefined ? {} : { index }) };
      scope.bind(innerName, {
        kind: "value", what: "variable", shape, make: (member) => symbol(innerName, "var", shape, member),
        ...(binding?.kind === "index" && index !== undefined ? { family: { index, size: binding.size } } : {}),
      });
    }
  }
  const { place: _none, ...plain } = inside;
  // An objective is one number; its update is for each member of a family, of its own index.
  const update = under(plain, variable?.index, s.over?.index?.name);
  const objective = elaborateScalar(s.objective, plain, "an objective");
  const surrogate = s.surrogate && elaborateScalar(s.surrogate, plain, "a surrogate");
  const method = elaborateMethod(s.method, plain, update);
  const when = s.when && elaborateScalar(s.when, plain, "a condition");
  const captures = s.captures.flatMap((c) => {
    const index = c.index?.name;
    if (index !== undefined && context.scope.find(index)?.kind !== "index") {
      reporter.report(unknownName({ name: index, what: "index", near: nearest(index, context.scope.names()) }, at((c.index ?? c).span)));
      return [];
    }
    const value = elaborate(c.value, under(plain, index));
    if (!value) return [];
    const captureName = c.name.name;
    if (scope.find(captureName) || context.dims.has(captureName)) { reporter.report(duplicateName({ name: captureName }, at(c.name.span))); return []; }
    const binding = index === undefined ? undefined : context.scope.find(index);
    const rank = value.shape.every((d) => d.key === "1") ? 0 : value.shape[1]?.key === "1" ? 1 : 2;
    sc.addParam({
      name: captureName, shape: value.shape, rank, fixed: true, shared: false, positive: false, captured: true, init: { kind: "file" },
      axisNames: value.shape.slice(0, rank).map((d) => context.dims.show(d)), span: c.span, ...(index === undefined ? {} : { index }),
    });
    scope.bind(captureName, {
      kind: "value", what: "capture", shape: value.shape, make: (member) => symbol(captureName, "capture", value.shape, member),
      ...(binding?.kind === "index" && index !== undefined ? { family: { index, size: binding.size } } : {}),
    });
    return [{ name: captureName, value, span: c.span, ...(index === undefined ? {} : { index }) }];
  });
  const using = s.using.flatMap((u) => elaborateUse(u, sc.lemmas, update) ?? []);
  const place = context.place && { ...context.place, statement: name };
  const making: Context = place ? { ...inside, place } : inside;
  const prenorm = s.prenorm && variable ? elaboratePrenorm(s.prenorm, variable, under(making, variable.index)) : undefined;
  const optimised = over ?? variable;
  const then = s.then && variable ? elaborateAs(s.then, under(making, variable.index), variable.shape, `what ${variable.name} becomes`) : undefined;
  const expect = s.expect && optimised ? elaborateAs(s.expect, under(plain, optimised.index), optimised.shape, "the expected update") : undefined;
  const failed = reporter.diagnostics.slice(before).some((d) => d.severity === "error");
  if (failed || !objective || !method || !variable) return undefined;
  return {
    kind: "step", name, sense: s.sense, objective, variable: variable.name, method, captures, using, ast: s, span: s.span,
    ...(s.doc === undefined ? {} : { doc: s.doc }), ...(when ? { when } : {}), ...(over ? { over } : {}), ...(surrogate ? { surrogate } : {}),
    ...(prenorm ? { prenorm } : {}), ...(then ? { then } : {}), ...(expect ? { expect } : {}),
  };
  function chooseVariable(step: StepDeclaration, { variables: all }: StepContext): TypedVariable | undefined {
    if (step.wrt) {
      const found = all.find((v) => v.name === step.wrt?.name);
      if (!found) reporter.report(unknownName({ name: step.wrt.name, what: "variable", near: nearest(step.wrt.name, all.map((v) => v.name)) }, at(step.wrt.span)));
      return found;
    }
    const [only] = all;
    if (!only) reporter.report(stepFault({ step: step.name.name, problem: "has no variable to change", hint: "declare one before it: var Z: real[d, n] = …" }, at(step.name.span)));
    else if (all.length > 1) {
      reporter.report(stepFault({ step: step.name.name, problem: `does not say which of ${all.map((v) => v.name).join(", ")} it changes`, hint: `add: wrt ${only.name}` }, at(step.name.span)));
      return undefined;
    }
    return only;
  }
}

/** `update`: where the step size and the momentum stand. */
function elaborateMethod(m: MethodCall, context: Context, update: Context): TypedMethod | undefined {
  const { reporter } = context;
  const name = methods.find((x) => x === m.name.name);
  if (!name) {
    const near = nearest(m.name.name, methods);
    reporter.report(unknownName({ name: m.name.name, what: "method", near: near ?? methods.join(" or ") }, at(m.name.span)));
    return undefined;
  }
  const allowed = name === "exact" ? [] : name === "proximal" ? ["rate"] : ["rate", "iterations", "momentum"];
  let rate: Expr | undefined;
  let iterations = 1;
  let momentum: TypedMethod["momentum"] = { kind: "none" };
  let failed = false;
  const fail = (problem: string, span: MethodCall["span"], hint?: string): void => {
    reporter.report(stepFault({ step: `by ${name}`, problem, hint }, at(span)));
    failed = true;
  };
  for (const a of m.args) {
    const option = a.name?.name ?? "rate";
    if (!allowed.includes(option)) {
      const near = nearest(option, allowed);
      fail(`has no option ${option}`, a.span, near ? `did you mean ${near}?` : allowed.length > 0 ? `its options are ${allowed.join(", ")}` : "write: by exact");
      continue;
    }
    if (option === "rate") {
      rate = elaborateScalar(a.value, update, "a step size");
      failed ||= !rate;
      const n = rate && context.numberOf?.(rate);
      if (n !== undefined && n < 0) fail(`has a negative step size, ${n}`, a.value.span);
    } else if (option === "iterations") {
      const value = elaborateScalar(a.value, context, "iterations");
      const n = value && (value.kind === "number" ? value.value : context.numberOf?.(value));
      if (n === undefined || !Number.isInteger(n) || n < 1 || n > 10000) fail("takes a whole number of iterations, from 1 to 10000", a.value.span);
      else iterations = n;
    } else {
      const inner = strip(a.value);
      if (inner.kind === "name" && (inner.name === "none" || inner.name === "nesterov" || inner.name === "fista") && !context.scope.find(inner.name)) momentum = { kind: inner.name };
      else {
        const value = elaborateScalar(a.value, update, "momentum");
        if (value) momentum = { kind: "scalar", value };
        else failed = true;
      }
    }
  }
  if (name !== "exact" && !rate && !failed) {
    fail("needs a step size", m.span, `by ${name}(rate: 0.1)`);
  }
  if (failed) return undefined;
  return { name, iterations, momentum, span: m.span, ...(rate ? { rate } : {}) };
}

function elaborateUse(use: LemmaUse, lemmas: LemmaTable, context: Context): LemmaUseTyped[] | undefined {
  const { reporter } = context;
  const declaration = lemmas.declarations.get(use.name.name);
  if (!declaration) {
    reporter.report(unknownName({ name: use.name.name, what: "lemma", near: nearest(use.name.name, lemmas.declarations.keys()) }, at(use.name.span)));
    return undefined;
  }
  const lemma = lemmas.typed.get(use.name.name);
  if (!lemma) return undefined;
  const given = new Map<string, Expr>();
  const bound = new Map<string, Dim>();
  let position = 0;
  const usage = `${lemma.name}(${declaration.holes.map(showHole).join(", ")})`;
  for (const a of use.args) {
    const hole = a.name ? declaration.holes.find((h) => h.name.name === a.name?.name) : declaration.holes[position++];
    if (!hole) {
      const near = a.name && nearest(a.name.name, declaration.holes.map((h) => h.name.name));
      reporter.report(lemmaFault({ lemma: lemma.name, problem: a.name ? `has no parameter ${a.name.name}` : `takes ${declaration.holes.length} arguments`, hint: near ? `did you mean ${near}?` : usage }, at(a.span)));
      return undefined;
    }
    if (given.has(hole.name.name)) {
      reporter.report(lemmaFault({ lemma: lemma.name, problem: `is given ${hole.name.name} twice`, hint: usage }, at(a.span)));
      return undefined;
    }
    const value = familyOrValue(a.value, context);
    if (!value) return undefined;
    const typed = lemma.holes.find((h) => h.name === hole.name.name);
    if (typed?.index !== undefined && !value.family) {
      reporter.report(familyMisuse({ name: hole.name.name, problem: `of ${lemma.name} is a family; give one by its bare name` }, at(a.value.span)));
      return undefined;
    }
    if (typed?.index === undefined && value.family) {
      reporter.report(familyMisuse({ name: textOf(a.value), problem: `is a family, and ${hole.name.name} of ${lemma.name} is none` }, at(a.value.span)));
      return undefined;
    }
    if (!bindHoleShape(hole.type, value.shape, bound, context)) {
      reporter.report(wrongShape({
        what: `${textOf(a.value)}, given to ${lemma.name} as ${hole.name.name},`, has: showShape(value.shape, context), wanted: `real${hole.type.dims.length > 0 ? `[${hole.type.dims.map(textOf).join(", ")}]` : ""}`,
      }, at(a.value.span, showShape(value.shape, context))));
      return undefined;
    }
    given.set(hole.name.name, value.make(typed?.index === undefined ? undefined : { kind: "variable", name: typed.index }));
  }
  const names = (e: Expr | undefined): ReadonlySet<string> => new Set(e ? symbolsOf(e).filter((s) => s.role === "hole").map((s) => s.name) : []);
  const matched = names(lemma.left);
  for (const [side, e] of [["right side", lemma.right], ["condition", lemma.when]] as const) {
    const open = lemma.holes.find((h) => names(e).has(h.name) && !matched.has(h.name) && !given.has(h.name));
    if (!open) continue;
    reporter.report(lemmaFault({ lemma: lemma.name, problem: `must be given ${open.name}: it stands in its ${side} only`, hint: `using ${lemma.name}(${open.name}: …)` }, at(use.span)));
    return undefined;
  }
  return [{ lemma, given, span: use.span }];
}

function elaboratePrenorm(p: NonNullable<StepDeclaration["prenorm"]>, variable: TypedVariable, context: Context): TypedStep["prenorm"] {
  const scope = new Scope(context.scope);
  const member = variable.index === undefined ? undefined : { kind: "variable" as const, name: variable.index };
  scope.bind(prenormHole, { kind: "value", what: "argument", shape: variable.shape, make: () => symbol(prenormHole, "hole", variable.shape, member) });
  const inner = strip(p.call);
  const callee = inner.kind === "call" ? inner.callee : inner.kind === "name" ? { name: inner.name, span: inner.span } : undefined;
  if (!callee) {
    context.reporter.report(stepFault({ step: "prenorm", problem: "takes a function of one matrix", hint: "prenorm increment layernorm" }, at(p.call.span)));
    return undefined;
  }
  const hole: Expression = { kind: "name", name: prenormHole, span: p.call.span };
  const call: Expression = { kind: "call", callee, args: [{ value: hole, span: p.call.span }, ...(inner.kind === "call" ? inner.args : [])], span: p.call.span };
  const value = elaborateAs(call, { ...context, scope }, variable.shape, "the normalised variable");
  return value && { mode: p.mode, call: value, span: p.span };
}
