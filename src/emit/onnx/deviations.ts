/**
 * Which deviations does a LayerNormalization know already? The gradient of a standardisation divides by √(variance + eps) of its operand;
 * the operator that standardised it gives 1/√(variance + eps) as its third output, so nothing is computed twice.
 */
import type { Plan, PlanNode } from "../../tensor/plan.js";

type Node<Op extends PlanNode["op"]> = Extract<PlanNode, { readonly op: Op }>;

class Search {
  constructor(private readonly plan: Plan) {}
  /** The node behind views. */
  private node(id: number): PlanNode {
    const node = this.plan.nodes[id] as PlanNode;
    return node.op === "reshape" ? this.node(node.x) : node;
  }
  /** x, where the value is the mean of something over the last axis of x. */
  private meanOverLast(node: PlanNode): PlanNode | undefined {
    if (node.op !== "reduce" || node.fn !== "mean" || node.axes.length !== 1) return undefined;
    const of = this.plan.nodes[node.x] as PlanNode;
    return node.axes[0] === of.shape.length - 1 ? of : undefined;
  }
  /** The operand and eps, where the node is √(mean((x − mean(x))²) + eps). */
  private deviation(node: PlanNode): { readonly x: number; readonly eps: number } | undefined {
    if (node.op !== "unary" || node.fn !== "sqrt") return undefined;
    const guarded = this.node(node.x);
    if (guarded.op !== "binary" || guarded.fn !== "add") return undefined;
    const eps = this.node(guarded.b);
    const square = eps.op === "fill" ? this.meanOverLast(this.node(guarded.a)) : undefined;
    if (eps.op !== "fill" || square?.op !== "unary" || square.fn !== "square") return undefined;
    const centred = this.plan.nodes[square.x] as PlanNode;
    if (centred.op !== "binary" || centred.fn !== "subtract") return undefined;
    const mean = this.meanOverLast(this.node(centred.b));
    return mean?.id === centred.a ? { x: centred.a, eps: eps.value } : undefined;
  }
  /** The deviation's plan node → the standardisation of the same rows. */
  find(): ReadonlyMap<number, Node<"standardize">> {
    const standardized = new Map<string, Node<"standardize">>();
    const found = new Map<number, Node<"standardize">>();
    for (const node of this.plan.nodes) {
      if (node.op === "standardize" && node.centred) standardized.set(`${node.x} ${node.eps}`, node);
      const deviation = this.deviation(node);
      const source = deviation && standardized.get(`${deviation.x} ${deviation.eps}`);
      if (source) found.set(node.id, source);
    }
    return found;
  }
}
export function knownDeviations(plan: Plan): ReadonlyMap<number, Node<"standardize">> {
  return new Search(plan).find();
}
