/** What is done to a graph before gradients and emitters see it? The passes in their order, and what each of them saved. */
import { type Cost, graphCost } from "../cost.js";
import type { Dim } from "../../expression/dim.js";
import type { Graph } from "../graph.js";
import { affineIntoProduct } from "./affine-into-product.js";
import { axisInTurn } from "./axis-in-turn.js";
import { centringIntoParameters } from "./centring-into-parameters.js";
import { commonFactor } from "./common-factor.js";
import { deadTokens } from "./dead-tokens.js";
import { identityThroughProduct } from "./identity-through-product.js";
import { mergedOrder } from "./merged-order.js";
import { parameterProducts } from "./parameter-products.js";
import { parameterTerms } from "./parameter-terms.js";
import type { OptimisationLevel, Pass } from "./pass.js";
import { reassociate } from "./reassociate.js";
import { scalarsIntoParameters } from "./scalars-into-parameters.js";
import { sumThroughProduct } from "./sum-through-product.js";

export type { OptimisationLevel, Pass } from "./pass.js";

export const passes: readonly Pass[] = [
  deadTokens, // first: all costs after it are those of what is really computed
  mergedOrder, // before those that put parameters together: it permutes them one by one
  reassociate, // before parameter products, which weigh their gain against the cheapest order
  parameterProducts, // before the affine pass: a product formed of z leaves z one reader, which then takes up its scale
  identityThroughProduct, // after it, which forms (D − I)·D'
  affineIntoProduct, // before scalars and terms: it leaves t·W beside other parameters that are added
  scalarsIntoParameters, // after both: what numbers they left beside products
  parameterTerms, // last: gathers the shifts that all others leave
];

/** For a graph to which gradients were added: what they repeat, or ask of every token. */
export const gradientPasses: readonly Pass[] = [
  sumThroughProduct, centringIntoParameters,
  commonFactor, // last: it takes sums apart in which the others look for products that stand
];

/** For a graph that is run operator by operator on a processor with caches, gradients and all: what is too large for them at once. */
export const cachePasses: readonly Pass[] = [axisInTurn];

export interface PassReport {
  readonly pass: string;
  readonly why: string;
  /** Formulas in the free sizes. What a batch does not change has no "batch" in it: it is spent once a step. */
  readonly flopsBefore: Dim;
  readonly flopsAfter: Dim;
  readonly bytesBefore: Dim;
  readonly bytesAfter: Dim;
  readonly nodesBefore: number;
  readonly nodesAfter: number;
}
export interface Optimised {
  readonly graph: Graph;
  /** One entry for each pass that ran, in order. */
  readonly report: readonly PassReport[];
}
/** The graph after all passes of a level. Outputs, inputs, parameters and their names stay; so do values, up to rounding. */
export function optimise(graph: Graph, level: OptimisationLevel, observe: (after: Graph, pass: Pass) => void = () => {}, list: readonly Pass[] = passes): Optimised {
  const report: PassReport[] = [];
  let current = graph;
  let cost: Cost | undefined;
  for (const pass of list) {
    if (pass.level > level) continue;
    const next = pass.run(current);
    observe(next, pass);
    const before = cost ?? graphCost(current).total;
    const after = next === current ? before : graphCost(next).total;
    report.push({
      pass: pass.name, why: pass.why, flopsBefore: before.flops, flopsAfter: after.flops,
      bytesBefore: before.bytes, bytesAfter: after.bytes, nodesBefore: current.nodes.length, nodesAfter: next.nodes.length,
    });
    [current, cost] = [next, after];
  }
  return { graph: current, report };
}
