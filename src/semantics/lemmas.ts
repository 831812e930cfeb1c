/** Lemmas: both sides as expressions over their holes, in dims and indices of their own. */
import { at, type Reporter } from "../diagnostics/declare.js";
import { type Dim, dimSymbol, one } from "../expression/dim.js";
import { dependsOnIndex, freeIndices, namesOf, symbol, TooLarge } from "../expression/expr.js";
import type { Shape } from "../expression/functions.js";
import type { LemmaHole, TypedLemma } from "./program.js";
import type { FunctionDeclaration, LemmaDeclaration } from "../syntax/ast.js";
import { firstUse } from "../syntax/names.js";
import { duplicateName, expressionTooLarge, lemmaFault } from "./diagnostics.js";
import { Dims } from "./dims.js";
import { elaborate, elaborateScalar, showShape, unifyShapes } from "./elaborate-expression.js";
import { type Context, Scope } from "./scope.js";

export function elaborateLemma(lemma: LemmaDeclaration, functions: ReadonlyMap<string, FunctionDeclaration>, reporter: Reporter, text: (l: LemmaDeclaration) => string): TypedLemma | undefined {
  const prefix = lemma.name.name;
  const own = (name: string): Dim => dimSymbol(`${prefix}.${name}`);
  const localDims = new Map<string, Dim>();
  const dims = new Dims(reporter, new Map(), () => undefined);
  const scope = new Scope(undefined, localDims);
  const holes: LemmaHole[] = [];
  let failed = false;
  for (const hole of lemma.holes) {
    const { name } = hole.name;
    if (scope.has(name)) {
      reporter.report(duplicateName({ name }, at(hole.name.span)));
      failed = true;
      continue;
    }
    if (hole.type.base !== "real" || hole.type.dims.length > 2) {
      reporter.report(lemmaFault({ lemma: prefix, problem: `takes matrices, and ${name} is none`, hint: `${name}: real[d, n]` }, at(hole.type.span)));
      failed = true;
      continue;
    }
    const read = hole.type.dims.map((d) => dims.read(d, false, (dimName) => {
      const known = localDims.get(dimName) ?? own(dimName);
      localDims.set(dimName, known);
      return known;
    }));
    if (read.some((d) => d === undefined)) { failed = true; continue; }
    const [rows = one, cols = one] = read as Dim[];
    const shape: Shape = [rows, cols];
    const index = hole.index && `${prefix}.${hole.index.name}`;
    if (hole.index && index && !scope.has(hole.index.name)) scope.bind(hole.index.name, { kind: "index", name: index, size: own(`#${hole.index.name}`) });
    holes.push(index ? { name, index, shape, span: hole.span } : { name, shape, span: hole.span });
    scope.bind(name, {
      kind: "value", what: "parameter", shape, make: (member) => symbol(name, "hole", shape, member),
      ...(index && hole.index ? { family: { index, size: own(`#${hole.index.name}`) } } : {}),
    });
  }
  if (failed) return undefined;
  // A lemma's indices stand for any that run where it is used.
  const context: Context = { scope, dims, reporter, functions, calls: [], running: holes.flatMap((h) => h.index ?? []) };
  try {
    const left = elaborate(lemma.left, context);
    const right = left && elaborate(lemma.right, context, left.shape);
    const when = lemma.when && elaborateScalar(lemma.when, context, "a condition");
    if (!left || !right || (lemma.when && !when)) return undefined;
    if (!unifyShapes(left.shape, right.shape, context)) {
      reporter.report(lemmaFault({ lemma: prefix, problem: "has sides of different shapes" },
        at(lemma.left.span, showShape(left.shape, context)), at(lemma.right.span, showShape(right.shape, context))));
      return undefined;
    }
    const nameOf = (index: string): string => index.slice(prefix.length + 1);
    const loose = [...freeIndices(right)].find((index) => !dependsOnIndex(left, index));
    if (loose !== undefined) {
      const name = nameOf(loose);
      reporter.report(lemmaFault(
        { lemma: prefix, problem: `has the index ${name} free on its right side and not on its left`, hint: `sum over it, brackets around several terms: sum(${name}) (… + …)` },
        at(firstUse(lemma.right, name) ?? lemma.right.span)));
      return undefined;
    }
    // What the left side does not match runs over nothing that is known.
    const matched = namesOf(left);
    for (const [side, e, written] of [["right side", right, lemma.right], ["condition", when, lemma.when]] as const) {
      const index = e && holes.find((h) => h.index !== undefined && namesOf(e).has(h.index) && !matched.has(h.index))?.index;
      if (!index || !written) continue;
      reporter.report(lemmaFault(
        { lemma: prefix, problem: `has the index ${nameOf(index)} in its ${side} and not on its left side`, hint: "an index stands for one that the left side matches" },
        at(firstUse(written, nameOf(index)) ?? written.span)));
      return undefined;
    }
    return {
      name: prefix, span: lemma.name.span, holes, relation: lemma.relation, left, right, text: text(lemma),
      ...(lemma.doc === undefined ? {} : { doc: lemma.doc }), ...(when ? { when } : {}),
    };
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    reporter.report(expressionTooLarge({ what: `lemma ${prefix}` }, at(lemma.name.span)));
    return undefined;
  }
}
