/** What two networks declare, side by side: sizes, inputs and parameters. Each row is a difference, with numbers. */
import type { Dim } from "../expression/dim.js";
import { storedShape } from "../network/weights.js";
import type { TypedNetwork, TypedValue } from "../semantics/program.js";
import type { Correspondence, Paired, Parameter } from "./correspondence.js";

export interface DeclarationDifference {
  readonly place: string;
  readonly part: "size" | "input" | "parameter";
  readonly a: string;
  readonly b: string;
}
const absent = "not there";

/** Only what stands in both: a size that one network does not name shows in shapes. */
export function sizeDifferences(a: TypedNetwork, b: TypedNetwork, names: Correspondence): readonly DeclarationDifference[] {
  const differing = <T extends { readonly name: string }>(of: readonly T[], other: readonly T[], renamed: ReadonlyMap<string, string>, told: (x: T) => string) =>
    of.flatMap((x): readonly DeclarationDifference[] => {
      const y = other.find((z) => (renamed.get(z.name) ?? z.name) === x.name);
      return y && told(x) !== told(y) ? [{ place: x.name, part: "size", a: told(x), b: told(y) }] : [];
    });
  return [
    ...differing(a.dims, b.dims, names.dims, (d) => String(d.value ?? (d.batch ? "batch" : "open"))),
    ...differing(a.indices, b.indices, names.indices, (i) => String(i.count)),
  ];
}

export function inputDifferences(a: TypedNetwork, b: TypedNetwork, names: Correspondence): readonly DeclarationDifference[] {
  const type = (network: TypedNetwork, renamed: ReadonlyMap<string, string>) => ({ type: t }: { readonly type: TypedValue }): string => {
    const size = (d: Dim): string => { const name = network.showDim(d); return String(network.dims.find((x) => x.name === name)?.value ?? renamed.get(name) ?? name); };
    const sizes = [...(t.symbols ? [t.symbols] : []), ...t.shape.slice(0, t.rank)].map(size);
    return sizes.length === 0 ? t.kind : `${t.kind}[${sizes.join(", ")}]`;
  };
  return side(names.inputs, (x) => x.name, "input", type(a, new Map()), type(b, names.dims));
}

/** `except`: parameters that a lemma brings in, which is told as such. */
export function parameterDifferences(names: Correspondence, except: ReadonlySet<Parameter>): readonly DeclarationDifference[] {
  const { both, onlyA, onlyB } = names.parameters;
  const left = (list: readonly Parameter[]): readonly Parameter[] => list.filter((p) => !except.has(p));
  // What differs by its count only has another depth, which is told of the steps.
  const differing = both.filter(([p, q]) => kindOf(p) !== kindOf(q));
  return side({ both: differing, onlyA: left(onlyA), onlyB: left(onlyB) }, (p) => p.place, "parameter", tellParameter, tellParameter);
}
function kindOf({ built, declared, layer }: Parameter): string {
  const shape = storedShape(built).join(", ");
  return [
    built.captured ? "captured" : built.trainable ? "learned" : "fixed", ...(built.positive ? ["positive"] : []), shape === "" ? "real" : `real[${shape}]`,
    ...(layer && layer.repeat > 1 && !declared.shared ? ["in each copy"] : []),
  ].join(" ");
}
function tellParameter(p: Parameter): string {
  const numbers = p.copies * storedShape(p.built).reduce((x, y) => x * y, 1);
  return `${kindOf(p)}, ${numbers.toLocaleString("en-US")} ${numbers === 1 ? "number" : "numbers"}`;
}

function side<T>({ both, onlyA, onlyB }: Paired<T>, place: (x: T) => string, part: DeclarationDifference["part"], a: (x: T) => string, b: (x: T) => string): readonly DeclarationDifference[] {
  return [
    ...both.filter(([x, y]) => a(x) !== b(y)).map(([x, y]) => ({ place: place(x), part, a: a(x), b: b(y) })),
    ...onlyA.map((x) => ({ place: place(x), part, a: a(x), b: absent })),
    ...onlyB.map((y) => ({ place: place(y), part, a: absent, b: b(y) })),
  ];
}
