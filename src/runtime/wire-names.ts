/** Names of what the compiler adds to a network's inputs and outputs. They give way to the names that the spec declares. */

/** What a spec names on the wire: a model description, or the unrolled network that it is of. */
export interface Declared {
  readonly inputs: readonly { readonly name: string }[];
  readonly targets: readonly { readonly name: string }[];
  readonly outputs: readonly { readonly name: string }[];
  readonly parameters: readonly { readonly name: string }[];
}
/** As they are in most networks; where a spec has such a name itself, an underscore goes behind the added one. */
const added = {
  /** The mean loss of a batch. */
  loss: "loss",
  /** Of the whole gradient, before it is clipped. */
  gradientNorm: "gradient_norm",
  learningRate: "learning_rate",
  /** 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ), of Adam's moments. */
  correction1: "correction1",
  correction2: "correction2",
  /** Of a step's dropout. */
  seed: "seed",
} as const;
export type AddedNames = { readonly [K in keyof typeof added]: string };

/** The name, or with as many underscores behind it as it needs to be no other's. */
export const freeName = (wanted: string, isTaken: (name: string) => boolean): string => (isTaken(wanted) ? freeName(`${wanted}_`, isTaken) : wanted);
const free = (wanted: string, taken: ReadonlySet<string>): string => freeName(wanted, (name) => taken.has(name));
const declaredNames = (d: Declared): Set<string> => new Set([d.inputs, d.targets, d.outputs, d.parameters].flatMap((list) => list.map((x) => x.name)));

export function addedNames(network: Declared): AddedNames {
  const taken = declaredNames(network);
  return Object.fromEntries(Object.entries(added).map(([role, name]) => [role, free(name, taken)])) as AddedNames;
}
/** What ONNX Runtime computes comes as properties of a plain object, on which `__proto__` is none. No name of a spec has a slash. */
const unkept = { declared: "__proto__", output: "__proto__/value" } as const;
export const runtimeOutput = (declared: string): string => (declared === unkept.declared ? unkept.output : declared);
export const declaredOutput = (output: string): string => (output === unkept.output ? unkept.declared : output);
/** Under which name a variable's value after a statement is shown: `block.3.compress`, `Z` at its start. */
export const probeName = (target: string, network: Declared): string => free(target, declaredNames(network).add(addedNames(network).loss));
