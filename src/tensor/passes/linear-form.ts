/**
 * What is a value, as a linear function of an activation? A sum of terms: an activation times a matrix of parameters alone
 * along one axis, or times a number, and a rest without activations. Terms of one activation are joined as they are met.
 */
import { type GraphBuilder, hasAxis } from "../builder.js";
import type { Axis, TensorNode } from "../graph.js";
import { freshName } from "../lowered.js";

/** The matrix's axis `from` meets the activation's axis of that name; `to` is what comes out, before renaming. */
interface ParameterMatrix {
  readonly node: number;
  readonly from: string;
  readonly to: string;
}
export interface LinearTerm {
  /** The activation, in the new graph. */
  readonly base: number;
  /** Undefined: the activation itself. */
  readonly matrix?: ParameterMatrix;
  /** A scalar of parameters that multiplies an activation without a matrix; undefined: 1. */
  readonly scale?: number;
  /** Every axis of the result: its name before → after. */
  readonly names: ReadonlyMap<string, string>;
}
export interface LinearForm {
  readonly terms: readonly LinearTerm[];
  /** Parameters alone. */
  readonly constant?: number;
  /** Nodes of the old graph that the form makes needless, where nobody else reads them. */
  readonly inner: ReadonlySet<number>;
}

const composed = (names: ReadonlyMap<string, string>, then: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
  new Map([...names].map(([from, to]) => [from, then.get(to) ?? to]));
const nameBefore = (names: ReadonlyMap<string, string>, now: string): string | undefined => [...names].find(([, to]) => to === now)?.[0];
const withMatrix = (t: LinearTerm, matrix: ParameterMatrix, names: ReadonlyMap<string, string>): LinearTerm => ({ base: t.base, matrix, names });

/** The activation itself. */
export function baseTerm(b: GraphBuilder, id: number): LinearTerm {
  const node = b.node(id);
  const names = new Map(b.axes(id).map((a) => [a.name, a.name]));
  if (node.op !== "rename") return { base: id, names };
  return { base: node.x, names: new Map(b.axes(node.x).map((a) => [a.name, node.names.get(a.name) ?? a.name])) };
}
export function renamedForm(b: GraphBuilder, f: LinearForm, names: ReadonlyMap<string, string>): LinearForm {
  return {
    ...f, terms: f.terms.map((t) => ({ ...t, names: composed(t.names, names) })),
    ...(f.constant === undefined ? {} : { constant: b.rename(f.constant, names) }),
  };
}
/** The form times a scalar of parameters. */
export function scaledForm(b: GraphBuilder, f: LinearForm, scalar: number): LinearForm {
  const times = (id: number): number => b.binary("multiply", id, scalar);
  return {
    ...f, terms: f.terms.map((t) => (t.matrix ? { ...t, matrix: { ...t.matrix, node: times(t.matrix.node) } } : { ...t, scale: times(t.scale ?? b.fill(1)) })),
    ...(f.constant === undefined ? {} : { constant: times(f.constant) }),
  };
}

/** The in-axis of a term without matrix, that a term with one has: both give the same axis of the result. */
function joinedWith(b: GraphBuilder, plain: LinearTerm, t: LinearTerm & { readonly matrix: ParameterMatrix }): LinearTerm | undefined {
  const out = t.names.get(t.matrix.to);
  if (plain.base !== t.base || plain.names.get(t.matrix.from) !== out) return undefined;
  if ([...plain.names].some(([from, to]) => from !== t.matrix.from && t.names.get(from) !== to)) return undefined;
  const identity = b.identity(b.axis(t.matrix.node, t.matrix.from), b.axis(t.matrix.node, t.matrix.to));
  const scaled = plain.scale === undefined ? identity : b.binary("multiply", identity, plain.scale);
  return { ...t, matrix: { ...t.matrix, node: b.binary("add", scaled, t.matrix.node) } };
}
/** One term for two, where they are one activation along the same axes. */
function joined(b: GraphBuilder, s: LinearTerm, t: LinearTerm): LinearTerm | undefined {
  if (s.base !== t.base) return undefined;
  const [x, y] = [s.matrix, t.matrix];
  if (x && !y) return joinedWith(b, t, { ...s, matrix: x });
  if (y && !x) return joinedWith(b, s, { ...t, matrix: y });
  if (x && y) {
    if (x.from !== y.from || s.names.get(x.to) !== t.names.get(y.to)) return undefined;
    if ([...s.names].some(([from, to]) => from !== x.to && t.names.get(from) !== to)) return undefined;
    const same = b.rename(y.node, new Map([[y.to, x.to]]));
    return withMatrix(s, { ...x, node: b.binary("add", x.node, same) }, s.names);
  }
  if ([...s.names].some(([from, to]) => t.names.get(from) !== to)) return undefined;
  return { ...s, scale: b.binary("add", s.scale ?? b.fill(1), t.scale ?? b.fill(1)) };
}
export function sumOfForms(b: GraphBuilder, f: LinearForm, g: LinearForm): LinearForm {
  const terms = [...f.terms];
  for (const t of g.terms) {
    const both = terms.map((s) => joined(b, s, t));
    const place = both.findIndex((x) => x !== undefined);
    if (place < 0) terms.push(t);
    else terms[place] = both[place] as LinearTerm;
  }
  const constants = [f.constant, g.constant].filter((c) => c !== undefined);
  const constant = constants.length === 0 ? undefined : constants.reduce((x, y) => b.binary("add", x, y));
  return { terms, inner: new Set([...f.inner, ...g.inner]), ...(constant === undefined ? {} : { constant }) };
}

/** Σ over one axis of a term and a matrix of parameters; undefined where that is no map from one axis to one. */
function multipliedTerm(b: GraphBuilder, t: LinearTerm, p: number, over: string): LinearTerm | undefined {
  const before = nameBefore(t.names, over);
  if (before === undefined) return undefined;
  const now = new Set(t.names.values());
  const fresh = b.axes(p).filter((a) => a.name !== over && !now.has(a.name));
  const [out] = fresh;
  if (!out || fresh.length > 1) return undefined;
  if (t.matrix && before !== t.matrix.to) return undefined;
  // Axes that both have go along under the activation's names: members of a family.
  const along = new Map(b.axes(p).filter((a) => a.name !== over && a !== out).map((a) => [a.name, nameBefore(t.names, a.name) as string]));
  const taken = new Set([...b.axes(t.base), ...(t.matrix ? b.axes(t.matrix.node) : [])].map((a) => a.name));
  const to = freshName(out.name, taken);
  const from = t.matrix?.from ?? before;
  const inside = t.matrix ? t.matrix.to : before;
  const matrix = b.rename(p, new Map([...along, [over, inside], [out.name, to]]));
  if (!t.matrix) {
    const names = new Map([...t.names].filter(([name]) => name !== before)).set(to, out.name);
    const node = t.scale === undefined ? matrix : b.binary("multiply", matrix, t.scale);
    return withMatrix(t, { node, from, to }, names);
  }
  const names = new Map([...t.names].filter(([name]) => name !== t.matrix?.to)).set(to, out.name);
  return withMatrix(t, { node: b.contract(t.matrix.node, matrix, [inside]), from, to }, names);
}
/** Σ over one axis of a form and parameters. `axes`: what the form's value has. */
export function multipliedForm(b: GraphBuilder, f: LinearForm, axes: readonly Axis[], p: number, over: string): LinearForm | undefined {
  const now = axes.map((a) => a.name);
  // A term that is the same along an axis of the sum would be counted; such forms are left alone.
  if (f.terms.some((t) => [...t.names.values()].length !== now.length)) return undefined;
  const terms = f.terms.map((t) => multipliedTerm(b, t, p, over));
  if (!terms.every((t) => t !== undefined)) return undefined;
  const constant = f.constant === undefined ? undefined : b.contract(f.constant, p, [over]);
  return { terms, inner: f.inner, ...(constant === undefined ? {} : { constant }) };
}

/** The value of a form: activations first, what is parameters alone last. */
export function formValue(b: GraphBuilder, f: LinearForm): number {
  const values = f.terms.map((t) => {
    if (t.matrix) return b.rename(b.contract(t.base, t.matrix.node, [t.matrix.from]), t.names);
    return b.rename(t.scale === undefined ? t.base : b.binary("multiply", t.base, t.scale), t.names);
  });
  const all = f.constant === undefined ? values : [...values, f.constant];
  return all.reduce((x, y) => b.binary("add", x, y), b.fill(0));
}
/** Is it the kind of node that a form looks into, if its other operand is parameters alone? */
export function isLinearKind(node: TensorNode, parameterOnly: (id: number) => boolean, axesOf: (id: number) => readonly Axis[]): boolean {
  if (node.type !== "float") return false;
  switch (node.op) {
    case "rename": return true;
    case "unary": return node.fn === "negate";
    case "binary": {
      if (node.fn === "add" || node.fn === "subtract") return true;
      const scalar = (id: number): boolean => parameterOnly(id) && axesOf(id).length === 0;
      return (node.fn === "multiply" && (scalar(node.a) || scalar(node.b))) || (node.fn === "divide" && scalar(node.b));
    }
    case "contract": return node.over.length === 1 && parameterOnly(node.a) !== parameterOnly(node.b) && hasAxis(axesOf(node.a), node.over[0] ?? "");
    default: return false;
  }
}
