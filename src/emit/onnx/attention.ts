/**
 * Which kernels are one Attention operator (opset 23)? softmax(scale·Q Kᵀ + mask) V, batched over heads, wherever it came from: the
 * products are recognised by their operands and shapes. Q, K and V are often one value, which the operator is then given three times.
 */
import { type Dim, dimValue } from "../../expression/dim.js";
import type { Plan, PlanNode } from "../../tensor/plan.js";
import { readCounts } from "../../tensor/schedule.js";

type Node<Op extends PlanNode["op"]> = Extract<PlanNode, { readonly op: Op }>;
export interface Attention {
  /** Plan nodes of shape [batch, n, heads, p] where `interleaved`, else [batch, heads, n, p]. */
  readonly query: number;
  readonly key: number;
  readonly value: number;
  readonly interleaved: boolean;
  readonly heads: number;
  readonly scale: number;
  /** Where it holds (a plan node whose shape spreads over the scores) scores count; `inverted`: where it does not. */
  readonly mask?: { readonly condition: number; readonly inverted: boolean };
  /** Plan nodes that the operator replaces, beside the one whose value it gives. */
  readonly inner: readonly number[];
}
interface Scores {
  readonly product: Node<"matmul">;
  readonly scale: number;
  readonly mask?: Attention["mask"];
  readonly inner: readonly number[];
}

/** [batch, n, heads, p] beside [batch, heads, n, p]. */
const turnsHeads = (node: PlanNode | undefined): node is Node<"transpose"> => node?.op === "transpose" && node.order.join() === "0,2,1,3";
/** A tensor of four axes whose heads and head size are numbers. */
function headsOf(shape: readonly Dim[]): number | undefined {
  return shape.length === 4 && dimValue(shape[3] as Dim) !== undefined ? dimValue(shape[1] as Dim) : undefined;
}

class Search {
  private readonly uses: ReadonlyMap<number, number>;

  constructor(private readonly plan: Plan) {
    this.uses = readCounts(plan.nodes, plan.outputs);
  }
  private node(id: number): PlanNode {
    return this.plan.nodes[id] as PlanNode;
  }
  private once(id: number): boolean {
    return this.uses.get(id) === 1;
  }
  private number(id: number): number | undefined {
    const node = this.node(id);
    return node.op === "fill" && node.shape.length === 0 ? node.value : undefined;
  }
  /** Masks and one scalar factor around Q Kᵀ. */
  private scores(id: number): Scores | undefined {
    const node = this.node(id);
    if (!this.once(id)) return undefined;
    if (node.op === "matmul") return node.transposeA || !node.transposeB ? undefined : { product: node, scale: 1, inner: [id] };
    if (node.op === "select") {
      const excluded = [node.a, node.b].map((x) => this.node(x).op === "fill" && (this.node(x) as Node<"fill">).value === Number.NEGATIVE_INFINITY);
      if (excluded[0] === excluded[1] || this.node(node.condition).shape.length > 4) return undefined;
      const inside = this.scores(excluded[0] ? node.b : node.a);
      const mask = { condition: node.condition, inverted: excluded[0] === true };
      return inside && !inside.mask ? { ...inside, mask, inner: [...inside.inner, id] } : undefined;
    }
    if (node.op !== "binary" || (node.fn !== "multiply" && node.fn !== "divide")) return undefined;
    const factor = this.number(node.b);
    const inside = factor === undefined ? undefined : this.scores(node.a);
    // The operator multiplies Q and K by √scale each.
    const scale = factor === undefined ? 0 : node.fn === "divide" ? 1 / factor : factor;
    return inside && !inside.mask && scale > 0 ? { ...inside, scale: inside.scale * scale, inner: [...inside.inner, id] } : undefined;
  }
  /** The attention that ends in a product of weights and values. */
  private ending(node: PlanNode): Attention | undefined {
    if (node.op !== "matmul" || node.transposeA || node.transposeB) return undefined;
    const weights = this.node(node.a);
    if (weights.op !== "softmax" || weights.axis !== 3 || !this.once(node.a)) return undefined;
    const scores = this.scores(weights.x);
    const [query, key] = scores ? [scores.product.a, scores.product.b] : [0, 0];
    const shapes = [query, key, node.b].map((id) => this.node(id).shape);
    const heads = headsOf(node.shape);
    if (!scores || heads === undefined || shapes.some((s) => headsOf(s) !== heads || s[0]?.key !== node.shape[0]?.key)) return undefined;
    return {
      query, key, value: node.b, interleaved: false, heads, scale: scores.scale, inner: [...scores.inner, node.a],
      ...(scores.mask ? { mask: scores.mask } : {}),
    };
  }
  /** By the plan node whose value the operator gives. */
  find(): ReadonlyMap<number, Attention> {
    const found = new Map<number, Attention>();
    for (const node of this.plan.nodes) {
      const ending = this.ending(node);
      if (ending) found.set(node.id, ending);
      // Where heads are turned inward before and outward after, the operator does both itself.
      const before = turnsHeads(node) && this.once(node.x) ? found.get(node.x) : undefined;
      if (!before || !turnsHeads(node)) continue;
      const operands = [before.query, before.key, before.value].map((id) => this.node(id));
      if (!operands.every(turnsHeads)) continue;
      const [query, key, value] = operands.map((o) => (o as Node<"transpose">).x);
      found.delete(node.x);
      found.set(node.id, { ...before, query: query as number, key: key as number, value: value as number, interleaved: true, inner: [...before.inner, node.x] });
    }
    return found;
  }
}
export function attentions(plan: Plan): ReadonlyMap<number, Attention> {
  return new Search(plan).find();
}
/** What the operators read in place of the nodes that they replace. */
export function attentionOperands(a: Attention): readonly number[] {
  return [a.query, a.key, a.value, ...(a.mask ? [a.mask.condition] : [])];
}
