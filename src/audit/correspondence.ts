/** What of one network is what of the other: sizes, indices, and, one to one, parameters and everything else that has a name. */
import type { DerivedNetwork } from "../network/derived.js";
import type { NetworkParameter } from "../network/network.js";
import { storedShape } from "../network/weights.js";
import type { TypedLayer, TypedNetwork, TypedParam } from "../semantics/program.js";
import { type Names, sameNames } from "./translate.js";

/** A declared parameter, and what it becomes in the unrolled network. */
export interface Parameter {
  /** `A`, `block.U`. */
  readonly place: string;
  readonly layer?: TypedLayer;
  readonly declared: TypedParam;
  /** Of the first copy. */
  readonly built: NetworkParameter;
  /** How many of it there are: one, or one for each copy of its layer. */
  readonly copies: number;
}
export function parametersOf(network: DerivedNetwork): readonly Parameter[] {
  const built = new Map(network.unrolled.parameters.map((p) => [p.name, p]));
  const read = (list: readonly TypedParam[], layer?: TypedLayer): readonly Parameter[] => list.flatMap((declared): readonly Parameter[] => {
    const own = built.get(layer === undefined ? declared.name : `${layer.name}.${declared.shared ? "" : "1."}${declared.name}`);
    // A layer without copies has no parameters.
    if (!own) return [];
    const place = layer ? `${layer.name}.${declared.name}` : declared.name;
    return [{ place, declared, built: own, copies: layer && !declared.shared ? layer.repeat : 1, ...(layer ? { layer } : {}) }];
  });
  return [...read(network.typed.params), ...network.typed.statements.flatMap((s) => (s.kind === "layer" ? read(s.params, s) : []))];
}

export interface Paired<T> {
  readonly both: readonly (readonly [T, T])[];
  readonly onlyA: readonly T[];
  readonly onlyB: readonly T[];
}
type Key<T> = (x: T) => string;
/**
 * Pairs by one key after the other, those of one key in order; so it does not matter which list is the first.
 * A key is a function for each side.
 */
export function pairBy<T>(a: readonly T[], b: readonly T[], keys: readonly (readonly [Key<T>, Key<T>])[]): Paired<T> {
  const both: (readonly [T, T])[] = [];
  let [onlyA, onlyB] = [a, b];
  for (const [keyA, keyB] of keys) {
    const free = [...onlyB];
    onlyA = onlyA.filter((x) => {
      const at = free.findIndex((y) => keyB(y) === keyA(x));
      if (at < 0) return true;
      both.push([x, free.splice(at, 1)[0] as T]);
      return false;
    });
    onlyB = free;
  }
  return { both, onlyA, onlyB };
}
const same = <T>(key: Key<T>): readonly [Key<T>, Key<T>] => [key, key];

export interface Correspondence {
  readonly dims: Names["dims"];
  readonly indices: Names["indices"];
  readonly parameters: Paired<Parameter>;
  readonly inputs: Paired<TypedNetwork["inputs"][number]>;
  /** What the names that an expression of this layer uses are called in both: by the first network's names. */
  readonly namesA: (layer: TypedLayer | undefined) => Names;
  readonly namesB: (layer: TypedLayer | undefined) => Names;
  /** What a parameter of either is called in expressions so named. */
  readonly label: (p: Parameter) => string;
  /** Names of the second network and what they are called in the first. */
  readonly renamed: ReadonlyMap<string, string>;
}

const layersOf = (n: TypedNetwork): readonly TypedLayer[] => n.statements.filter((s): s is TypedLayer => s.kind === "layer");

export function correspond(a: DerivedNetwork, b: DerivedNetwork): Correspondence {
  const [s, t] = [a.typed, b.typed];
  const renames = <T extends { readonly name: string }>({ both }: Paired<T>): ReadonlyMap<string, string> =>
    new Map(both.filter(([x, y]) => x.name !== y.name).map(([x, y]) => [y.name, x.name]));
  const byName = same<{ readonly name: string }>((x) => x.name);
  const dims = renames(pairBy(s.dims, t.dims, [byName, same((d) => `${d.value} ${d.batch}`)]));
  const indices = renames(pairBy(s.indices, t.indices, [byName, same((i) => String(i.count))]));

  const shape = (x: { readonly shape: TypedParam["shape"] }): string => x.shape.map((d) => s.showDim(d)).join();
  const shapeB = (x: { readonly shape: TypedParam["shape"] }): string => x.shape.map((d) => t.showDim(d)).map((d) => dims.get(d) ?? d).join();
  const layers = pairBy(layersOf(s), layersOf(t), [byName, same(() => "")]);
  const owner = new Map<TypedLayer | undefined, string>(layers.both.flatMap(([x, y]) => [[x, x.name], [y, x.name]] as const));
  const stored = (p: Parameter): string => storedShape(p.built).join();
  const within = (p: Parameter): string => `${owner.get(p.layer)}`;
  const parameters = pairBy(parametersOf(a), parametersOf(b), [
    same((p) => `${within(p)} ${p.declared.name}`), same((p) => p.declared.name), same((p) => `${within(p)} ${stored(p)}`), same(stored),
  ]);
  const variables = pairBy(s.variables, t.variables, [byName, [shape, shapeB]]);
  const type = ({ type: { kind, rank } }: TypedNetwork["inputs"][number]): string => `${kind} ${rank}`;
  const inputs = pairBy(s.inputs, t.inputs, [byName, same(type)]);
  const targets = pairBy(s.targets, t.targets, [byName, same(type)]);
  // Constants are compared by their values; they are paired for what people read only.
  const consts = pairBy(s.consts, t.consts, [byName, same((c) => String(c.value))]);

  const known = new Set([...s.consts, ...s.lets, ...s.variables, ...s.inputs, ...s.targets, ...s.params, ...layersOf(s).flatMap((l) => [...l.params, ...l.lets])].map((x) => x.name));
  // A name that means something else in the first network must not be taken for it.
  const foreign = (name: string): string => { let own = name; while (known.has(own)) own += "′"; return own; };
  const counts = new Map<string, number>();
  for (const p of [...parameters.both.map(([p]) => p), ...parameters.onlyA]) counts.set(p.declared.name, (counts.get(p.declared.name) ?? 0) + 1);
  const ownLabel = (p: Parameter): string => (counts.get(p.declared.name) === 1 ? p.declared.name : p.place);
  const labels = new Map<Parameter, string>([
    ...parameters.both.flatMap(([p, q]) => [[p, ownLabel(p)], [q, ownLabel(p)]] as const),
    ...parameters.onlyA.map((p) => [p, ownLabel(p)] as const), ...parameters.onlyB.map((q) => [q, foreign(q.place)] as const),
  ]);
  const label = (p: Parameter): string => labels.get(p) ?? p.place;
  const scoped = (own: readonly Parameter[], rest: readonly (readonly [string, string])[], base: Omit<Names, "values">) => (layer: TypedLayer | undefined): Names => {
    const seen = (of: TypedLayer | undefined): readonly (readonly [string, string])[] => own.filter((p) => p.layer === of).map((p) => [p.declared.name, label(p)] as const);
    return { ...base, values: new Map([...rest, ...seen(undefined), ...(layer ? seen(layer) : [])]) };
  };
  const values = [variables, inputs, targets, consts] as readonly Paired<{ readonly name: string }>[];
  const rest = values.flatMap((p) => [...p.both.map(([x, y]) => [y.name, x.name] as const), ...p.onlyB.map((y) => [y.name, foreign(y.name)] as const)]);
  return {
    dims, indices, parameters, inputs, label,
    namesA: scoped([...parameters.both.map(([p]) => p), ...parameters.onlyA], [], sameNames),
    namesB: scoped([...parameters.both.map(([, q]) => q), ...parameters.onlyB], rest, { dims, indices }),
    renamed: new Map([
      ...dims, ...indices, ...values.flatMap((p) => [...renames(p)]),
      ...parameters.both.filter(([p, q]) => p.declared.name !== q.declared.name).map(([p, q]) => [q.declared.name, p.declared.name] as const),
    ]),
  };
}
