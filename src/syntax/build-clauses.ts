/** What do the clauses of steps and train blocks say? Each at most once, where it can have one meaning only. */
import type { CstNode, IToken } from "chevrotain";
import { at } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import type {
  Capture, Expression, Hole, LemmaUse, MethodCall, Name, StepDeclaration, TrainClause, TypeExpression,
} from "./ast.js";
import { type Building, buildArguments, buildExpression } from "./build-expression.js";
import { lexeme, lexemesOf, nameOf, node, nodes, onlyNode, spanOf, spanOfLexeme } from "./cst.js";
import { clauseTwice, missingClause } from "./diagnostics.js";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function buildType(cst: CstNode, building: Building): TypeExpression {
  const base = lexemesOf(cst, "RealWord").length ? "real" : lexemesOf(cst, "ClassWord").length ? "class" : "token";
  const dims = nodes(cst, "expression").map((e) => buildExpression(e, building));
  return { base, dims, span: spanOf(cst, building.file) };
}
export function familyIndex(cst: CstNode, building: Building): { index?: Name } {
  const index = nodes(cst, "familyIndex")[0];
  return index ? { index: nameOf(lexeme(index, "Name"), building.file) } : {};
}
export function buildHole(cst: CstNode, building: Building): Hole {
  const name = nameOf(lexeme(cst, "Name"), building.file);
  const type = buildType(node(cst, "type"), building);
  return { name, ...familyIndex(cst, building), type, span: spanOf(cst, building.file) };
}
/** `NAME = E`, `NAME[k] = E`: of const, let, preset, capture, and an assignment. */
export function buildDefinition(cst: CstNode, building: Building): Capture {
  const name = nameOf(lexeme(cst, "Name"), building.file);
  const value = buildExpression(node(cst, "expression"), building);
  return { name, ...familyIndex(cst, building), value, span: spanOf(cst, building.file) };
}
/** The lexeme that says which clause it is. */
export function firstLexeme(cst: CstNode): IToken {
  const [first] = Object.values(cst.children).flat().filter((child): child is IToken => "image" in child)
    .sort((a, b) => a.startOffset - b.startOffset);
  return first ?? firstLexeme(onlyNode(cst));
}

/** Reports the second of two clauses that exclude each other; true if this one is the first. */
export function onlyOnce(seen: Map<string, Span>, clause: string, span: Span, building: Building, shown = clause): boolean {
  const before = seen.get(clause);
  if (!before) seen.set(clause, span);
  else building.reporter.report(clauseTwice({ clause: shown }, at(span), at(before, "first here")));
  return before === undefined;
}

type Clauses = Mutable<Omit<Partial<StepDeclaration>, "captures" | "using" | "kind" | "name" | "span">> & {
  captures: Capture[];
  using: LemmaUse[];
};

function referenceOf(cst: CstNode, building: Building): MethodCall {
  const name = nameOf(lexeme(cst, "Name"), building.file);
  return { name, args: buildArguments(nodes(cst, "callArguments")[0], building), span: spanOf(cst, building.file) };
}

/** A row for each clause of a step: what it adds. */
const stepClauses: Readonly<Record<string, (into: Clauses, cst: CstNode, building: Building) => void>> = {
  objectiveClause: (into, cst, b) => {
    into.sense = lexemesOf(cst, "MinimizeWord").length ? "minimize" : "maximize";
    into.objective = buildExpression(node(cst, "expression"), b);
  },
  wrtClause: (into, cst, b) => { into.wrt = nameOf(lexeme(cst, "Name"), b.file); },
  overClause: (into, cst, b) => {
    const { name, index, type } = buildHole(node(cst, "hole"), b);
    into.over = { name, ...(index && { index }), type, from: buildExpression(node(cst, "expression"), b) };
  },
  asClause: (into, cst, b) => { into.surrogate = buildExpression(node(cst, "expression"), b); },
  byClause: (into, cst, b) => { into.method = referenceOf(node(cst, "reference"), b); },
  captureClause: (into, cst, b) => { into.captures.push(buildDefinition(node(cst, "definition"), b)); },
  usingClause: (into, cst, b) => { into.using.push(...nodes(cst, "reference").map((r) => referenceOf(r, b))); },
  prenormClause: (into, cst, b) => {
    const mode = lexemesOf(cst, "IncrementWord").length ? "increment" : "input";
    into.prenorm = { mode, call: buildExpression(node(cst, "expression"), b), span: spanOf(cst, b.file) };
  },
  // biome-ignore lint/suspicious/noThenProperty: the clause is called so, and no step is ever awaited
  thenClause: (into, cst, b) => { into.then = buildExpression(node(cst, "expression"), b); },
  expectClause: (into, cst, b) => { into.expect = buildExpression(node(cst, "expression"), b); },
};

/** `damaged`: recovery left something out between these offsets, so what is missing there is no second mistake. */
export function buildStep(cst: CstNode, building: Building, damaged: (span: Span) => boolean): StepDeclaration {
  const name = nameOf(lexeme(cst, "Name"), building.file);
  const span = spanOf(cst, building.file);
  const clauses: Clauses = { captures: [], using: [] };
  const seen = new Map<string, Span>();
  for (const clause of nodes(cst, "stepClause").map(onlyNode)) {
    const keyword = firstLexeme(clause);
    const repeatable = clause.name === "captureClause";
    if (repeatable || onlyOnce(seen, clause.name, spanOfLexeme(keyword, building.file), building, keyword.image))
      stepClauses[clause.name]!(clauses, clause, building);
  }
  const missing: Expression = { kind: "missing", span: name.span };
  if (!damaged(span)) {
    const report = (clause: string, example: string): void =>
      building.reporter.report(missingClause({ step: name.name, clause, example }, at(name.span)));
    if (!clauses.objective && !clauses.method) report("objective and no method", "minimize f by gradient(rate: 0.1)");
    else if (!clauses.objective) report("objective", "minimize 0.5*sq_norm(y - A*x)");
    else if (!clauses.method) report("method", "by gradient(rate: 0.1)");
  }
  const { sense = "minimize", objective = missing, method, ...others } = clauses;
  const when = nodes(cst, "whenClause")[0];
  return {
    kind: "step", name, sense, objective, ...others, span,
    ...(when && { when: buildExpression(node(when, "expression"), building) }),
    method: method ?? { name: { name: unnamed, span: name.span }, args: [], span: name.span },
  };
}
/** Stands for a name that the user left out; no name of theirs can clash with it. */
export const unnamed = "?";

const repeatableTraining = new Set(["augment", "feed", "metric"]);

export function buildTraining(clauses: readonly CstNode[], outer: Building): TrainClause[] {
  const building: Building = { ...outer, inTraining: true };
  const seen = new Map<string, Span>();
  const built: TrainClause[] = [];
  for (const cst of clauses) {
    const keyword = nameOf(firstLexeme(cst), building.file);
    if (!repeatableTraining.has(keyword.name) && !onlyOnce(seen, keyword.name, keyword.span, building)) continue;
    const inner = Object.keys(cst.children)[0] === "ConstructWord" ? undefined : onlyNode(cst);
    const words = inner ? [...lexemesOf(inner, "SyntheticWord"), ...lexemesOf(inner, "Name")] : [];
    built.push({
      keyword,
      words: words.map((word) => nameOf(word, building.file)),
      values: inner ? nodes(inner, "expression").map((e) => buildExpression(e, building)) : [],
      span: spanOf(cst, building.file),
    });
  }
  return built;
}

