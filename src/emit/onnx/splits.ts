/**
 * Which slices are pieces of one Split? Slices of one value that stand side by side and cover an axis are taken apart in one pass;
 * ONNX Runtime would put them together itself, but as a node behind all others, which it then runs first (`emit/onnx-train/training-graph.ts` says why that matters).
 */
import { dimValue } from "../../expression/dim.js";
import type { Plan, PlanNode } from "../../tensor/plan.js";

type Slice = Extract<PlanNode, { readonly op: "slice" }>;
export interface Split {
  readonly x: number;
  readonly axis: number;
  /** The slices in order along the axis, and how long each is. */
  readonly parts: readonly { readonly id: number; readonly size: number }[];
}

function inOrder(slices: readonly Slice[]): Split["parts"] | undefined {
  const bounds = slices.map((s) => ({ id: s.id, from: dimValue(s.from), to: dimValue(s.to) })).sort((a, b) => (a.from ?? 0) - (b.from ?? 0));
  let end = 0;
  const parts: { readonly id: number; readonly size: number }[] = [];
  for (const { id, from, to } of bounds) {
    if (from !== end || to === undefined) return undefined;
    parts.push({ id, size: to - from });
    end = to;
  }
  return parts;
}
/** By the plan node of each slice that is a piece of one. */
export function splits(plan: Plan): ReadonlyMap<number, Split> {
  const groups = new Map<string, Slice[]>();
  for (const node of plan.nodes) {
    if (node.op !== "slice") continue;
    const key = `${node.x} ${node.axis}`;
    groups.set(key, [...(groups.get(key) ?? []), node]);
  }
  const found = new Map<number, Split>();
  for (const slices of groups.values()) {
    const [{ x, axis }] = slices as [Slice];
    const parts = slices.length > 1 ? inOrder(slices) : undefined;
    const length = plan.nodes[x]?.shape[axis];
    if (!parts || length === undefined || parts.reduce((sum, p) => sum + p.size, 0) !== dimValue(length)) continue;
    for (const { id } of parts) found.set(id, { x, axis, parts });
  }
  return found;
}
