/**
 * A matrix expression as a node of the graph: which axes play the part of its rows and columns. The node may lack the axis of a
 * role, and is then the same all along it: so ones, zeros and scalars beside matrices are never written out.
 */
import type { Dim } from "../expression/dim.js";
import type { ApplyExpr, Expr } from "../expression/expr.js";
import { type GraphBuilder, hasAxis } from "./builder.js";
import type { Axis } from "./graph.js";

export interface Lowered {
  readonly node: number;
  /** One for each dim of the expression's shape: rows, columns (more for arrays); undefined where the size is 1. */
  readonly roles: readonly (Axis | undefined)[];
}
/** What the lowering of functions may ask. */
export interface LowerContext {
  readonly builder: GraphBuilder;
  /** True: dropout drops. */
  readonly training: boolean;
  readonly lower: (e: Expr) => Lowered;
  /** Is the parameter of this full name kept positive? */
  readonly positive: (parameter: string) => boolean;
  /** The size with all known numbers put in; the batch dim becomes "batch". */
  readonly size: (dim: Dim) => Dim;
  /** Axes for a shape, with readable, distinct names; undefined where the size is 1. */
  readonly rolesOf: (shape: readonly Dim[]) => readonly (Axis | undefined)[];
}
/** A function whose lowering is not known for these shapes; the compiler reports it in the user's terms. */
export class NotLowerable extends Error {
  override name = "NotLowerable";
  constructor(readonly functionName: string, readonly reason: string) {
    super(`${functionName} cannot be built into a network here: ${reason}`);
  }
}
export type FunctionLowering = (context: LowerContext, e: ApplyExpr, args: readonly Lowered[]) => Lowered;

/** A name that is not taken: primes are added as needed. */
export function freshName(wanted: string, taken: ReadonlySet<string>): string {
  let name = wanted;
  while (taken.has(name)) name += "'";
  return name;
}
export const rowOf = (x: Lowered): Axis | undefined => x.roles[0];
export const colOf = (x: Lowered): Axis | undefined => x.roles[1];
export const turned = (x: Lowered): Lowered => ({ node: x.node, roles: [x.roles[1], x.roles[0]] });
/** The node has all axes of its roles. */
export function materialise(b: GraphBuilder, x: Lowered): Lowered {
  return { ...x, node: b.spread(x.node, x.roles.filter((r) => r !== undefined)) };
}
/** Names of axes that are no roles: batch and indices. */
export function extraNames(b: GraphBuilder, x: Lowered): readonly string[] {
  return b.axes(x.node).map((a) => a.name).filter((n) => !x.roles.some((r) => r?.name === n));
}
/** The node with its roles under these names. */
export function renameRoles(b: GraphBuilder, x: Lowered, roles: readonly (Axis | undefined)[]): number {
  const names = new Map<string, string>();
  x.roles.forEach((role, i) => {
    const to = roles[i];
    if (role && to) names.set(role.name, to.name);
  });
  return b.rename(x.node, names);
}
/** Brings values of one shape under common names of their roles; scalars fit everywhere. */
export function align(b: GraphBuilder, xs: readonly Lowered[]): { readonly nodes: readonly number[]; readonly roles: readonly (Axis | undefined)[] } {
  const rank = Math.max(2, ...xs.map((x) => x.roles.length));
  const taken = new Set(xs.flatMap((x) => extraNames(b, x)));
  const roles = Array.from({ length: rank }, (_, i) => {
    const given = xs.filter((x) => x.roles[i]);
    const axis = (given.find((x) => b.has(x.node, x.roles[i]?.name ?? "")) ?? given[0])?.roles[i];
    if (!axis) return undefined;
    const name = freshName(axis.name, taken);
    taken.add(name);
    return { name, size: axis.size };
  });
  return { nodes: xs.map((x) => renameRoles(b, x, roles)), roles };
}
/** Applies f to the node; shape and roles stay. */
export function mapNode(x: Lowered, f: (node: number) => number): Lowered {
  return { ...x, node: f(x.node) };
}
/** Σ over one role, whether or not the node has its axis; gives the node. */
export function sumOver(b: GraphBuilder, node: number, ...roles: readonly (Axis | undefined)[]): number {
  const present = roles.filter((r) => r !== undefined && hasAxis(b.axes(node), r.name)).map((r) => r?.name ?? "");
  const absent = roles.filter((r) => r !== undefined && !hasAxis(b.axes(node), r.name));
  const summed = b.reduce("sum", node, present);
  return absent.reduce((n, r) => b.binary("multiply", n, b.size((r as Axis).size)), summed);
}
export function meanOver(b: GraphBuilder, node: number, ...roles: readonly (Axis | undefined)[]): number {
  return b.reduce("mean", node, roles.filter((r) => r !== undefined && hasAxis(b.axes(node), r.name)).map((r) => r?.name ?? ""));
}
export function maxOver(b: GraphBuilder, node: number, ...roles: readonly (Axis | undefined)[]): number {
  return b.reduce("max", node, roles.filter((r) => r !== undefined && hasAxis(b.axes(node), r.name)).map((r) => r?.name ?? ""));
}
/** √s, with the gradient 0 where s is 0: below 1e-36 the root stays at 1e-18. */
export function safeRoot(b: GraphBuilder, squared: number, least = 1e-36): number {
  return b.unary("sqrt", b.binary("max", squared, b.fill(least)));
}
/** A node without roles. */
export const scalarOf = (node: number): Lowered => ({ node, roles: [undefined, undefined] });
/** An axis of length 1 put where the role has none; gives the axis too. */
export function withUnitAxis(b: GraphBuilder, x: Lowered, role: number, name: string): { readonly node: number; readonly axis: Axis } {
  const axis = x.roles[role];
  if (axis) return { node: b.spread(x.node, [axis]), axis };
  const unit = { name, size: { terms: [{ numerator: 1, denominator: 1, powers: [] }], key: "1" } };
  return { node: b.spread(x.node, [unit]), axis: unit };
}
/** The role's axis gives way where its size has become 1. */
export function dropUnit(b: GraphBuilder, node: number, axis: Axis): { readonly node: number; readonly role: Axis | undefined } {
  if (axis.size.key !== "1") return { node, role: axis };
  return { node: b.has(node, axis.name) ? b.reduce("sum", node, [axis.name]) : node, role: undefined };
}
