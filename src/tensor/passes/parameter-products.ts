/**
 * Which products can be formed of parameters alone? A step of ISTA, z + ηD'(z − Dz), is one product of every token with
 * M = I + ηD'(I − D), formed once for all of them. Taken where it costs less at nominal sizes; gradients flow through M.
 */
import { dimAdd, dimNumber } from "../../expression/dim.js";
import { type GraphBuilder, operandsOf } from "../builder.js";
import { nodeCost } from "../cost.js";
import type { Axis, Graph, TensorNode } from "../graph.js";
import { nominal } from "../product.js";
import { baseTerm, formValue, isLinearKind, type LinearForm, multipliedForm, renamedForm, scaledForm, sumOfForms } from "./linear-form.js";
import { parameterOnlyIn } from "./parameter-only.js";
import type { Pass } from "./pass.js";
import { readersOf, rewriteGraph, type Rewriting } from "./rewrite.js";

/** Longer sums are looked at in pieces. */
const largestRegion = 64;

class ParameterProducts {
  private readonly parameterOnly: (id: number) => boolean;
  private readonly readers: readonly (readonly number[])[];
  /** What a rewritten node saves, in nominal operations. */
  private readonly savings = new Map<number, number>();
  /** New nodes that are there anyway. */
  private readonly standing = new Set<number>();

  constructor(private readonly graph: Graph) {
    this.parameterOnly = parameterOnlyIn(graph.nodes);
    this.readers = readersOf(graph);
  }
  private node(id: number): TensorNode {
    return this.graph.nodes[id] as TensorNode;
  }
  private readonly axesOf = (id: number): readonly Axis[] => this.node(id).axes;
  private linear(node: TensorNode): boolean {
    return !this.parameterOnly(node.id) && isLinearKind(node, this.parameterOnly, this.axesOf);
  }

  rewrite(node: TensorNode, rewriting: Rewriting): number | undefined {
    const result = this.tryAt(node, rewriting);
    if (result === undefined) return undefined;
    this.standing.add(result);
    return result;
  }
  /** After a node was made as it was, or anew: what stands. */
  note(id: number): void {
    this.standing.add(id);
  }
  private tryAt(node: TensorNode, rewriting: Rewriting): number | undefined {
    if (node.op === "rename" || !this.linear(node)) return undefined;
    const region = this.region(node);
    if (![...region].some((id) => this.node(id).op === "contract")) return undefined;
    const form = this.expanded(node, this.formsWithin(region, rewriting), rewriting);
    if (!form) return undefined;
    const replaced = new Set([...form.inner, node.id]);
    const value = formValue(rewriting.builder, form);
    const saving = this.costBefore(replaced) - this.costAfter(value, rewriting.builder);
    const within = Math.max(0, ...[...replaced].map((id) => this.savings.get(id) ?? 0));
    if (saving <= within) return undefined;
    this.savings.set(node.id, saving);
    return value;
  }
  /** The node and the linear nodes that only it reads, by way of linear nodes. */
  private region(root: TensorNode): ReadonlySet<number> {
    const region = new Set([root.id]);
    const waiting = new Set(operandsOf(root));
    while (waiting.size > 0 && region.size < largestRegion) {
      const id = Math.max(...waiting);
      waiting.delete(id);
      const readers = this.readers[id] ?? [];
      if (!this.linear(this.node(id)) || !readers.every((r) => region.has(r))) continue;
      region.add(id);
      for (const operand of operandsOf(this.node(id))) waiting.add(operand);
    }
    return region;
  }
  /** The form of each operand, computed once: a value that several nodes of the region read is expanded for all of them. */
  private formsWithin(region: ReadonlySet<number>, rewriting: Rewriting): (id: number) => LinearForm {
    const { builder: b, of } = rewriting;
    const known = new Map<number, LinearForm>();
    const form = (id: number): LinearForm => {
      const before = known.get(id);
      if (before) return before;
      const found = made(id);
      known.set(id, found);
      return found;
    };
    const made = (id: number): LinearForm => {
      if (this.parameterOnly(id)) return { terms: [], constant: of(id), inner: new Set() };
      const expanded = region.has(id) ? this.expanded(this.node(id), form, rewriting) : undefined;
      return expanded ? { ...expanded, inner: new Set([...expanded.inner, id]) } : { terms: [baseTerm(b, of(id))], inner: new Set() };
    };
    return form;
  }
  private expanded(node: TensorNode, form: (id: number) => LinearForm, { builder: b, of }: Rewriting): LinearForm | undefined {
    switch (node.op) {
      case "rename": return renamedForm(b, form(node.x), node.names);
      case "unary": return scaledForm(b, form(node.x), b.fill(-1));
      case "binary": {
        if (node.fn === "add") return sumOfForms(b, form(node.a), form(node.b));
        if (node.fn === "subtract") return sumOfForms(b, form(node.a), scaledForm(b, form(node.b), b.fill(-1)));
        if (node.fn === "divide") return scaledForm(b, form(node.a), b.unary("reciprocal", of(node.b)));
        const [scalar, other] = this.parameterOnly(node.a) ? [node.a, node.b] : [node.b, node.a];
        return scaledForm(b, form(other), of(scalar));
      }
      case "contract": {
        const [p, other] = this.parameterOnly(node.a) ? [node.a, node.b] : [node.b, node.a];
        return multipliedForm(b, form(other), this.axesOf(other), of(p), node.over[0] as string);
      }
      default: return undefined;
    }
  }
  private costBefore(replaced: ReadonlySet<number>): number {
    return [...replaced].reduce((sum, id) => sum + nominal(nodeCost(this.node(id), this.graph).flops), 0);
  }
  /** What the new value needs beyond what stands already. */
  private costAfter(root: number, b: GraphBuilder): number {
    const graph: Graph = { nodes: b.nodes, outputs: [] };
    const seen = new Set<number>();
    const waiting = [root];
    let total = dimNumber(0);
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      if (seen.has(id) || this.standing.has(id)) continue;
      seen.add(id);
      total = dimAdd(total, nodeCost(b.node(id), graph).flops);
      waiting.push(...operandsOf(b.node(id)));
    }
    return nominal(total);
  }
}

function formProducts(graph: Graph): Graph {
  const pass = new ParameterProducts(graph);
  let noted = 0;
  return rewriteGraph(graph, (node, rewriting) => {
    // Everything that the old nodes before this one became.
    for (; noted < node.id; noted++) pass.note(rewriting.of(noted));
    return pass.rewrite(node, rewriting);
  });
}

export const parameterProducts: Pass = {
  name: "parameter-products", level: 2,
  why: "z + ηD'(z − Dz) is one product M z: parameters are few, tokens many; products of parameters are formed once for all tokens",
  run: formProducts,
};
