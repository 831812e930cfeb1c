/**
 * Which slices are pieces of one Split? Slices of one value that stand side by side and cover an axis are taken apart in one pass;
 * ONNX Runtime would put them together itself, but as a node behind all others, which it then runs first (`emit/onnx-train/training-graph.ts` says why that matters).
 */
import { type Dim, dimValue } from "../../expression/dim.js";
import type { Plan, PlanNode } from "../../tensor/plan.js";

type Slice = Extract<PlanNode, { readonly op: "slice" }>;
export interface Split {
  readonly x: number;
  readonly axis: number;
  /** The slices in order along the axis, and how long each is. */
  readonly parts: readonly { readonly id: number; readonly size: number }[];
}

/** The slices in order, where they cover an axis of this length without gap or overlap. */
function cover(slices: readonly Slice[], length: number): Split["parts"] | undefined {
  const bounds = slices.map((s) => ({ id: s.id, from: dimValue(s.from), to: dimValue(s.to) })).sort((a, b) => (a.from ?? 0) - (b.from ?? 0));
  let end = 0;
  const parts: { readonly id: number; readonly size: number }[] = [];
  for (const { id, from, to } of bounds) {
    if (from !== end || to === undefined) return undefined;
    parts.push({ id, size: to - from });
    end = to;
  }
  return end === length ? parts : undefined;
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
    const length = dimValue(plan.nodes[x]?.shape[axis] as Dim);
    const parts = slices.length > 1 && length !== undefined ? cover(slices, length) : undefined;
    if (parts) for (const { id } of parts) found.set(id, { x, axis, parts });
  }
  return found;
}
