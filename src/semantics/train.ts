/** The train block → a training program as plain data (language, section 11). */
import { at } from "../diagnostics/declare.js";
import type { Span } from "../diagnostics/span.js";
import { type Expr, isScalar } from "../expression/expr.js";
import type { Duration, OptimizerProgram, PlainCall, PlainValue, ScheduleStage, TrainingProgram } from "../runtime/contract.js";
import { largestSeed } from "../runtime/random.js";
import type { TypedTrain } from "./program.js";
import type { Expression, TrainClause, TrainDeclaration } from "../syntax/ast.js";
import { trainFault } from "./diagnostics.js";
import { elaborate, elaborateScalar, showShape, strip, textOf } from "./elaborate-expression.js";
import { nearest } from "../diagnostics/nearest.js";
import { metricMisfit } from "./metrics.js";
import type { Context } from "./scope.js";

type Call = Extract<Expression, { readonly kind: "call" }>;
interface Signature {
  /** What may stand without a name, in order, and what with one. */
  readonly positional: readonly string[];
  readonly options: readonly string[];
  readonly required?: readonly string[];
}
const sources: Readonly<Record<string, Signature>> = {
  mnist: { positional: [], options: [] }, cifar10: { positional: ["directory"], options: [] }, images: { positional: ["directory"], options: [] },
  idx: { positional: ["directory"], options: [] }, text: { positional: ["file"], options: [] },
  tensors: { positional: ["path"], options: [] },
};
const synthetic: Readonly<Record<string, Signature>> = {
  sparse_codes: { positional: [], options: ["dictionary", "sparsity", "noise", "size"], required: ["dictionary"] },
  gaussians: { positional: [], options: ["classes", "dim", "noise", "per_class"] },
};
const augmentations: Readonly<Record<string, Signature>> = {
  random_crop: { positional: ["padding"], options: ["padding"] }, horizontal_flip: { positional: [], options: [] },
  normalize: { positional: ["mean", "std"], options: ["mean", "std"] },
};
const metrics: Readonly<Record<string, Signature>> = {
  accuracy: { positional: ["output", "target"], options: [] }, perplexity: { positional: ["output", "target"], options: [] },
  mse: { positional: ["output", "target"], options: [] }, nmse: { positional: ["output", "target"], options: [] },
  psnr: { positional: ["output", "target"], options: ["peak"] }, nearest_subspace: { positional: ["output", "target"], options: ["components"] },
};
const feeds: Readonly<Record<string, Signature>> = {
  random: { positional: ["ratio"], options: ["ratio"] }, normal: { positional: ["std"], options: ["std"] },
};
const byRate = (...options: readonly string[]): Signature => ({ positional: ["rate"], options: ["rate", ...options, "weight_decay", "clip"] });
const optimizers: Readonly<Record<string, Signature>> = {
  sgd: byRate("momentum"), adam: byRate("beta1", "beta2", "epsilon"), adamw: byRate("beta1", "beta2", "epsilon"), lion: byRate("beta1", "beta2"),
};
const byLength: Signature = { positional: ["length"], options: ["length"] };
const schedules: { readonly [K in ScheduleStage["kind"]]: Signature } = { warmup: byLength, cosine: byLength, linear: byLength, constant: byLength };
const keywords = ["data", "augment", "loss", "optimizer", "rate", "batch", "epochs", "steps", "seed", "feed", "metric", "construct"];

class TrainReader {
  constructor(private readonly context: Context, private readonly names: ReadonlySet<string>) {}
  fault(problem: string, span: Span, hint?: string): undefined {
    this.context.reporter.report(trainFault({ problem, hint }, at(span)));
    return undefined;
  }
  number(e: Expression, what: string): number | undefined {
    const value = elaborateScalar(e, this.context, what);
    if (!value) return undefined;
    const n = value.kind === "number" ? value.value : this.context.numberOf?.(value);
    return n ?? this.fault(`${what} must be a number`, e.span);
  }
  private value(e: Expression, what: string): PlainValue | undefined {
    const inner = strip(e);
    if (inner.kind === "string") return inner.value;
    if (inner.kind === "name" && this.names.has(inner.name)) return { reference: inner.name };
    return this.number(e, what);
  }
  /** `name`, `name(…)` with the arguments that the table allows. */
  call(e: Expression, table: Readonly<Record<string, Signature>>, what: string): PlainCall | undefined {
    const inner = strip(e);
    const callee = inner.kind === "call" ? inner.callee : inner.kind === "name" ? inner : undefined;
    if (!callee) return this.fault(`${what} is a name or a call`, e.span, `one of ${Object.keys(table).join(", ")}`);
    const signature = Object.hasOwn(table, callee.name) ? table[callee.name] : undefined;
    if (!signature) {
      const near = nearest(callee.name, Object.keys(table));
      return this.fault(`there is no ${what} ${callee.name}`, callee.span, near ? `did you mean ${near}?` : `there are ${Object.keys(table).join(", ")}`);
    }
    const given = this.arguments(inner.kind === "call" ? inner : undefined, signature);
    if (!given) return undefined;
    const positional: PlainValue[] = [];
    const named: Record<string, PlainValue> = {};
    for (const { name, value: e, isNamed } of given) {
      const value = this.value(e, `${callee.name}'s ${name}`);
      if (value === undefined) return undefined;
      if (isNamed) named[name] = value;
      else positional.push(value);
    }
    const missing = signature.required?.find((r) => named[r] === undefined);
    if (missing) return this.fault(`${callee.name} needs ${missing}`, callee.span, `${callee.name}(${missing}: …)`);
    return { name: callee.name, positional, named };
  }
  /** What each argument of a call is, each given once; without a call there is none. */
  private arguments(call: Call | undefined, { positional, options }: Signature): readonly { readonly name: string; readonly value: Expression; readonly isNamed: boolean; readonly span: Span }[] | undefined {
    const given: { name: string; value: Expression; isNamed: boolean; span: Span }[] = [];
    if (!call) return given;
    const fn = call.callee.name;
    for (const { name: word, value, span } of call.args) {
      const name = word?.name ?? positional[given.filter((g) => !g.isNamed).length];
      if (name === undefined) {
        const names = [...new Set([...positional, ...options])];
        const spelt = call.args.map((a, i) => `${a.name?.name ?? names[i]}: ${textOf(a.value)}`).join(", ");
        const count = positional.length === 0 ? "no argument" : `${positional.length} argument${positional.length === 1 ? "" : "s"}`;
        return this.fault(`${fn} takes ${count}${options.some((o) => !positional.includes(o)) ? " without a name" : ""}`, span, options.length < call.args.length ? undefined : `with names: ${fn}(${spelt})`);
      }
      if (word && !options.includes(name)) {
        const near = nearest(name, options);
        return this.fault(`${fn} has no option ${name}`, span, near ? `did you mean ${near}?` : `its options are ${options.join(", ") || "none"}`);
      }
      if (given.some((g) => g.name === name)) return this.fault(`${fn}'s ${name} is given twice`, span, "keep one of the two");
      given.push({ name, value, isNamed: word !== undefined, span });
    }
    return given;
  }
  optimizer(e: Expression): OptimizerProgram | undefined {
    const inner = strip(e);
    const callee = inner.kind === "call" ? inner.callee : undefined;
    const known = callee && Object.hasOwn(optimizers, callee.name) ? optimizers[callee.name] : undefined;
    if (!callee || !known || inner.kind !== "call") {
      const name = callee?.name ?? "";
      const near = nearest(name, Object.keys(optimizers));
      return this.fault(name ? `there is no optimizer ${name}` : "an optimizer is a call", e.span, near ? `did you mean ${near}?` : "optimizer adamw(rate: 1e-3)");
    }
    const given: Record<string, number> = {};
    const args = this.arguments(inner, known);
    if (!args) return undefined;
    for (const { name: option, value, span } of args) {
      const n = this.number(value, option);
      if (n === undefined) return undefined;
      if (n < 0 || !Number.isFinite(n)) return this.fault(`${option} must not be negative`, span);
      given[option] = n;
    }
    const rate = given["rate"];
    if (rate === undefined) return this.fault(`${callee.name} needs a learning rate`, callee.span, `${callee.name}(rate: 1e-3)`);
    const weightDecay = given["weight_decay"] ?? (callee.name === "adamw" ? 0.01 : 0);
    const clip = given["clip"] === undefined ? {} : { clip: given["clip"] };
    switch (callee.name) {
      case "sgd": return { kind: "sgd", rate, momentum: given["momentum"] ?? 0, weightDecay, ...clip };
      case "lion": return { kind: "lion", rate, beta1: given["beta1"] ?? 0.9, beta2: given["beta2"] ?? 0.99, weightDecay, ...clip };
      default: return { kind: callee.name === "adam" ? "adam" : "adamw", rate, beta1: given["beta1"] ?? 0.9, beta2: given["beta2"] ?? 0.999, epsilon: given["epsilon"] ?? 1e-8, weightDecay, ...clip };
    }
  }
  stage(e: Expression): ScheduleStage | undefined {
    const inner = strip(e);
    const name = inner.kind === "call" ? inner.callee.name : inner.kind === "name" ? inner.name : "";
    if (!Object.hasOwn(schedules, name)) {
      const near = nearest(name, Object.keys(schedules));
      return this.fault(`there is no schedule ${name || "like this"}`, e.span, near ? `did you mean ${near}?` : "rate warmup(5) then cosine");
    }
    const kind = name as ScheduleStage["kind"];
    const args = this.arguments(inner.kind === "call" ? inner : undefined, schedules[kind]);
    if (!args) return undefined;
    const [arg] = args;
    const length = arg && this.duration(arg.value);
    if (arg && !length) return undefined;
    if (kind === "warmup") return length ? { kind, length } : this.fault("warmup needs a length", e.span, "warmup(5), in epochs, or warmup(100 steps)");
    return length ? { kind, length } : { kind };
  }
  private duration(e: Expression): Duration | undefined {
    const inner = strip(e);
    if (inner.kind === "quantity") {
      if (inner.unit === "steps" || inner.unit === "step") return { value: inner.value, unit: "steps" };
      if (inner.unit === "epochs" || inner.unit === "epoch") return { value: inner.value, unit: "epochs" };
      return this.fault(`a length is in epochs or steps, not ${inner.unit}`, e.span);
    }
    const n = this.number(e, "a length");
    return n === undefined ? undefined : { value: n, unit: "epochs" };
  }
  whole(e: Expression | undefined, clause: TrainClause, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
    const n = e && this.number(e, clause.keyword.name);
    if (n === undefined) return e ? undefined : this.fault(`${clause.keyword.name} needs a number`, clause.span);
    return Number.isSafeInteger(n) && n >= least && n <= most ? n : this.fault(`${clause.keyword.name} must be a whole number from ${least}${most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`}`, (e as Expression).span);
  }
}

/** `names`: what may be referred to by name: inputs, targets, outputs, parameters. */
export function elaborateTrain(train: TrainDeclaration, context: Context, names: ReadonlySet<string>, inputs: ReadonlySet<string>): TypedTrain | undefined {
  const reader = new TrainReader(context, names);
  const seen = new Set<string>();
  let data: PlainCall = { name: "none", positional: [], named: {} };
  let optimizer: OptimizerProgram | undefined;
  let loss: Expr | undefined;
  let lossClause: TrainClause | undefined;
  let construct = false;
  const augment: PlainCall[] = [];
  const schedule: ScheduleStage[] = [];
  const feed: { input: string; source: PlainCall }[] = [];
  const metric: PlainCall[] = [];
  const numbers: Record<string, number> = {};
  for (const clause of train.clauses) {
    const { name } = clause.keyword;
    const [first] = clause.values;
    if (!keywords.includes(name)) {
      const near = nearest(name, keywords);
      reader.fault(`a train block has no ${name}`, clause.keyword.span, near ? `did you mean ${near}?` : `there are ${keywords.join(", ")}`);
      continue;
    }
    if (seen.has(name) && name !== "metric" && name !== "feed" && name !== "augment") reader.fault(`${name} is given twice`, clause.keyword.span);
    seen.add(name);
    switch (name) {
      case "data": {
        const isSynthetic = clause.words.some((w) => w.name === "synthetic");
        const found = first && reader.call(first, isSynthetic ? synthetic : sources, isSynthetic ? "synthetic data" : "data source");
        if (found) data = found;
        break;
      }
      case "augment": for (const v of clause.values) { const c = reader.call(v, augmentations, "augmentation"); if (c) augment.push(c); } break;
      case "metric": for (const v of clause.values) {
        const c = reader.call(v, metrics, "metric");
        if (!c) continue;
        const misfit = metricMisfit(c, context);
        if (misfit) reader.fault(misfit.problem, v.span, misfit.hint);
        else metric.push(c);
      } break;
      case "feed": {
        const input = clause.words[0];
        const source = first && reader.call(first, feeds, "way to feed an input");
        if (!input || !inputs.has(input.name)) reader.fault(`there is no input ${input?.name ?? ""}`, input?.span ?? clause.span);
        else if (source) feed.push({ input: input.name, source });
        break;
      }
      case "loss":
        lossClause = clause;
        loss = first && elaborate(first, context);
        if (loss && first && !isScalar(loss)) { reader.fault(`the loss must be a scalar, not ${showShape(loss.shape, context)}`, first.span); loss = undefined; }
        break;
      case "optimizer": optimizer = first && reader.optimizer(first); break;
      case "rate": for (const v of clause.values) { const s = reader.stage(v); if (s) schedule.push(s); } break;
      case "construct": construct = true; break;
      default: {
        const n = name === "seed" ? reader.whole(first, clause, 0, largestSeed) : reader.whole(first, clause, 1);
        if (n !== undefined) numbers[name] = n;
      }
    }
  }
  if (construct && optimizer) reader.fault("construct builds the network without an optimizer", train.span, "drop one of the two");
  const length = train.clauses.findLast((c) => c.keyword.name === "epochs" || c.keyword.name === "steps");
  if (length && seen.has("epochs") && seen.has("steps")) reader.fault("a run is as long as epochs or steps says, not both", length.span, "drop one of the two");
  if (optimizer && !lossClause) reader.fault("training needs a loss", train.span, "loss cross_entropy(logits, label)");
  const program: TrainingProgram = {
    data, augment, construct, schedule, feed, metrics: metric, batch: numbers["batch"] ?? 32, seed: numbers["seed"] ?? 1,
    ...(optimizer ? { optimizer } : {}),
    ...(numbers["epochs"] === undefined ? {} : { epochs: numbers["epochs"] }), ...(numbers["steps"] === undefined ? {} : { steps: numbers["steps"] }),
    ...(lossClause?.values[0] ? { loss: textOf(lossClause.values[0]) } : {}),
  };
  return loss ? { loss, program, span: train.span } : { program, span: train.span };
}
