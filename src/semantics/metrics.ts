/** Do the two values of a metric fit it, and each other? What does not fit would be measured as NaN, or as nothing. */
import { type Dim, isOne, one } from "../expression/dim.js";
import type { PlainCall, PlainValue } from "../runtime/contract.js";
import { showShape, unifyShapes } from "./elaborate-expression.js";
import type { Context, ValueBinding } from "./scope.js";

interface Fault {
  readonly problem: string;
  readonly hint?: string;
}
interface MetricRule {
  /** What it compares, for messages. */
  readonly compares: string;
  readonly example: string;
  readonly fits: (first: ValueBinding, second: ValueBinding, context: Context) => boolean;
  /** What would fit beside one of the two. */
  readonly mend: (first: ValueBinding, second: ValueBinding, names: readonly string[], context: Context) => string;
}
/** One column of scores, or of features, for each label. */
const beside = (first: ValueBinding, rows: Dim, labels: ValueBinding, context: Context): boolean =>
  first.symbols === undefined && unifyShapes(first.shape, [rows, labels.shape[0] ?? one], context);
const alike: MetricRule = {
  compares: "two values of reals of one shape", example: "(output, target)",
  fits: (first, second, context) => first.symbols === undefined && second.symbols === undefined && unifyShapes(first.shape, second.shape, context),
  mend: (first, second, [x, t], context) => {
    const [name, shape] = first.symbols ? [t, second.shape] : [x, first.shape];
    return `${name} wants another ${showShape(shape, context)} beside it`;
  },
};
const scored: MetricRule = {
  compares: "a score for each class or symbol with labels or tokens", example: "(logits, label)",
  fits: (first, second, context) => second.symbols !== undefined && beside(first, second.symbols, second, context),
  mend: (first, second, [x, t], context) => (second.symbols
    ? `${t} wants a ${showShape([second.symbols, second.shape[0] ?? one], context)} beside it`
    : `${x} wants a ${showType({ ...first, symbols: first.shape[0] ?? one, shape: [first.shape[1] ?? one, one] }, context)} beside it`),
};
const grouped: MetricRule = {
  compares: "a column of features with its label", example: "(features, label)",
  fits: (first, second, context) => second.symbols !== undefined && beside(first, first.shape[0] ?? one, second, context),
  mend: (_first, _second, [x]) => `${x} wants a label for each of its columns beside it`,
};
const rules: Readonly<Record<string, MetricRule>> = { mse: alike, nmse: alike, psnr: alike, accuracy: scored, perplexity: scored, nearest_subspace: grouped };

const measured: ReadonlySet<string> = new Set(["input", "target", "output"]);
function bindingOf(value: PlainValue | undefined, context: Context): ValueBinding | undefined {
  const binding = typeof value === "object" ? context.scope.find(value.reference) : undefined;
  return binding?.kind === "value" && measured.has(binding.what) ? binding : undefined;
}
function showType({ shape, symbols }: ValueBinding, context: Context): string {
  const count = symbols && context.dims.show(symbols);
  const [length = one] = shape;
  return count === undefined ? showShape(shape, context) : isOne(length) ? `class[${count}]` : `token[${count}, ${context.dims.show(length)}]`;
}
/** What is wrong with a metric of the train block, if anything is. */
export function metricMisfit({ name, positional }: PlainCall, context: Context): Fault | undefined {
  const rule = rules[name] as MetricRule;
  const [first, second] = positional.map((p) => bindingOf(p, context));
  if (!first || !second) return { problem: `${name} takes two inputs, targets or outputs of the network`, hint: `${name}${rule.example}` };
  if (rule.fits(first, second, context)) return undefined;
  const named = positional.map((p) => (p as { reference: string }).reference);
  const shown = [first, second].map((b, i) => `${named[i]} is ${showType(b, context)}`).join(", ");
  const fitting = Object.keys(rules).filter((other) => rules[other]?.fits(first, second, context));
  const hint = fitting.length > 0 ? `these metrics fit: ${fitting.join(", ")}` : rule.mend(first, second, named, context);
  return { problem: `${name} compares ${rule.compares}: ${shown}`, hint };
}
