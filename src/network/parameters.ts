/** From declared parameters to the unrolled network's: full names, numbers for sizes, initial values with their fans counted. */
import { at, type Reporter } from "../diagnostics/declare.js";
import { type Dim, dimNumber, dimSubstitute, dimSymbols, dimValue, showDim } from "../expression/dim.js";
import { type Expr, number, substitute, type SymbolExpr, symbol } from "../expression/expr.js";
import { type Environment, evaluate } from "../numeric/evaluate.js";
import type { TypedLet, TypedParam } from "../semantics/program.js";
import { freeParameterAxis } from "./diagnostics.js";
import { fansOf, unknownFans } from "./fans.js";
import { spreadLets } from "./lets.js";
import type { NetworkParameter, ParameterInit } from "./network.js";

export interface ParameterContext {
  readonly dims: ReadonlyMap<string, number>;
  readonly indices: ReadonlyMap<string, number>;
  /** Numbers for consts and `layer`, to evaluate alias pieces. */
  readonly environment: Environment;
  /** The expressions in which parameters are used, in order: where fans are read. */
  readonly uses: readonly Expr[];
  /** Local name → full name, for `from(…)`. */
  readonly names: ReadonlyMap<string, string>;
  /** Those that stay names, the layer's among them: `from(…)` is computed before anything that could look them up. */
  readonly lets: ReadonlyMap<string, TypedLet>;
  readonly reporter: Reporter;
}

const resolve = (d: Dim, dims: ReadonlyMap<string, number>): Dim =>
  dimSubstitute(d, (s) => { const v = dims.get(s); return v === undefined ? undefined : dimNumber(v); });

export function networkParameter(param: TypedParam, fullName: string, context: ParameterContext): NetworkParameter {
  const shape = param.shape.map((d) => resolve(d, context.dims));
  for (const d of shape) {
    const [free] = dimSymbols(d);
    if (free !== undefined) context.reporter.report(freeParameterAxis({ parameter: fullName, dim: showDim(d) }, at(param.span)));
  }
  const family = param.index === undefined ? undefined : { index: param.index, size: context.indices.get(param.index) ?? 1 };
  const alias = param.alias && {
    name: param.alias.pieces.map((p) => (typeof p === "string" ? p : String(evaluate(p, context.environment).data[0] ?? 0))).join(""),
    ...(param.alias.axes === undefined ? {} : { axes: param.alias.axes }),
  };
  return {
    name: fullName, shape, rank: param.rank,
    ...(family ? { family } : {}),
    trainable: !param.fixed && !param.captured,
    positive: param.positive, captured: param.captured,
    init: initOf(param, context),
    ...(alias ? { alias } : {}),
    axisNames: param.axisNames,
  };
}

function initOf(param: TypedParam, context: ParameterContext): ParameterInit {
  const { init } = param;
  const size = (d: Dim): number => dimValue(resolve(d, context.dims)) ?? 1;
  const fans = (): { in: number; out: number } => {
    const found = fansOf(param.name, context.uses) ?? unknownFans(param.shape);
    const members = param.index !== undefined && found.familySummed ? (context.indices.get(param.index) ?? 1) : 1;
    return { in: size(found.in) * members, out: size(found.out) };
  };
  switch (init.kind) {
    case "zeros": return { kind: "constant", value: 0 };
    case "ones": return { kind: "constant", value: 1 };
    case "constant": return { kind: "constant", value: init.value };
    case "normal": return { kind: "normal", std: init.value };
    case "uniform": return { kind: "uniform", bound: init.value };
    case "identity": return { kind: "identity", scale: init.value };
    case "orthonormal": return { kind: "orthonormal" };
    // He et al. 2015, eq. 15, with the gain of a leaky relu; Glorot & Bengio 2010, eq. 16.
    case "kaiming_uniform": return { kind: "uniform", bound: Math.sqrt(6 / ((1 + init.a ** 2) * fans().in)) };
    case "xavier_uniform": {
      const { in: from, out } = fans();
      return { kind: "uniform", bound: Math.sqrt(6 / (from + out)) };
    }
    case "sincos": case "sincos2d": case "file": return init;
    case "from": return {
      kind: "from",
      value: substitute(spreadLets(init.value, context.lets), (s: SymbolExpr) => {
        const full = context.names.get(s.name);
        return full && full !== s.name ? symbol(full, s.role, s.shape, s.member) : s.role === "layer" ? number(layerOf(context)) : undefined;
      }),
    };
  }
}
function layerOf(context: ParameterContext): number {
  return context.environment.lookup("layer", undefined)?.data[0] ?? 1;
}
