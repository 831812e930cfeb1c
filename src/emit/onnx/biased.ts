/** Which products take the vector added to them along? Those that a ReLU follows: ONNX Runtime makes one kernel of Gemm with its C and the ReLU. */
import type { Plan, PlanNode } from "../../tensor/plan.js";
import { readCounts } from "../../tensor/schedule.js";

export interface Biased {
  readonly product: Extract<PlanNode, { readonly op: "matmul" }>;
  /** Plan node of shape [columns]. */
  readonly bias: number;
  /** The product, whose node the sum's takes in. */
  readonly inner: readonly number[];
}

/** By the plan node of the sum: relu(A·B + c) of matrices, product and sum read by nothing else. */
export function biasedProducts(plan: Plan): ReadonlyMap<number, Biased> {
  const uses = readCounts(plan.nodes, plan.outputs);
  const found = new Map<number, Biased>();
  for (const relu of plan.nodes) {
    const sum = relu.op === "unary" && relu.fn === "relu" ? plan.nodes[relu.x] : undefined;
    if (sum?.op !== "binary" || sum.fn !== "add" || uses.get(sum.id) !== 1) continue;
    for (const [x, bias] of [[sum.a, sum.b], [sum.b, sum.a]] as const) {
      const [product, vector] = [plan.nodes[x], plan.nodes[bias]];
      // A turned left operand is turned before the product, by nodes of its own.
      if (product?.op !== "matmul" || product.transposeA || product.shape.length !== 2 || uses.get(x) !== 1) continue;
      if (vector?.shape.length !== 1 || vector.shape[0]?.key !== product.shape[1]?.key) continue;
      if ([product.a, product.b].every((id) => plan.nodes[id]?.shape.length === 2)) found.set(sum.id, { product, bias, inner: [x] });
    }
  }
  return found;
}
