/** ONNX nodes and values while a model is written: what they are called, which types and shapes they have, constants shared. */
import { Defect } from "../../diagnostics/declare.js";
import { type Dim, dimNumber, dimValue } from "../../expression/dim.js";

/** Numbers of `TensorProto.DataType`. */
export const dataTypes = { float: 1, int64: 7, bool: 9 } as const;
export type OnnxType = keyof typeof dataTypes;

/** A whole number in a list is an INT, `{ float }` a FLOAT; a list of whole numbers INTS. */
export type Attribute = number | string | readonly number[] | { readonly float: number } | { readonly tensor: OnnxTensor };
export interface OnnxTensor {
  readonly type: OnnxType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}
export interface OnnxNode {
  readonly opType: string;
  readonly name: string;
  /** "" stands for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly output: string;
  /** Further outputs, in the operator's order; "" stands for one that is left out. */
  readonly more?: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}
export interface OnnxValue {
  readonly type: OnnxType;
  readonly shape: readonly Dim[];
}
type Attributes = OnnxNode["attributes"];

export function bytesOf(data: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
export function floatTensor(shape: readonly number[], data: ArrayLike<number>): OnnxTensor {
  return { type: "float", shape, bytes: bytesOf(data instanceof Float32Array ? data : Float32Array.from(data)) };
}
export function intTensor(shape: readonly number[], data: ArrayLike<number>): OnnxTensor {
  return { type: "int64", shape, bytes: bytesOf(BigInt64Array.from(Array.from(data), BigInt)) };
}
/** Ends that mean "to the end", whatever the size. */
const largestInt64 = 2n ** 63n - 1n;

export class GraphWriter {
  readonly nodes: OnnxNode[] = [];
  readonly values = new Map<string, OnnxValue>();
  private readonly taken = new Set<string>();
  private readonly constants = new Map<string, string>();

  /** Names that values made later must not take: inputs, outputs, parameters. */
  reserve(name: string): void {
    if (this.taken.has(name)) throw new Defect(`two values of the model are called ${name}`);
    this.taken.add(name);
  }
  /** The wanted name, with a number behind it where it is taken. */
  unique(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.taken.has(name); i++) name = `${wanted}_${i}`;
    this.taken.add(name);
    return name;
  }
  /** States that a value exists: an input, an initializer. */
  declare(name: string, value: OnnxValue): string {
    this.values.set(name, value);
    return name;
  }
  value(name: string): OnnxValue {
    const value = this.values.get(name);
    if (!value) throw new Defect(`no ONNX value ${name}`);
    return value;
  }
  /** A node whose one output is `output`, a name that is already the caller's own. */
  node(opType: string, output: string, inputs: readonly string[], value: OnnxValue, attributes: Attributes = {}, more: readonly string[] = []): string {
    this.nodes.push({ opType, name: output, inputs, output, attributes, ...(more.length === 0 ? {} : { more }) });
    return this.declare(output, value);
  }
  /** A constant under a name that says what it holds; equal ones are one. */
  constant(wanted: string, tensor: OnnxTensor): string {
    const key = `${tensor.type}|${tensor.shape.join()}|${tensor.bytes.length <= 4096 ? tensor.bytes.join() : this.nodes.length}`;
    const before = this.constants.get(key);
    if (before !== undefined) return before;
    const name = this.unique(wanted);
    this.constants.set(key, name);
    return this.node("Constant", name, [], { type: tensor.type, shape: tensor.shape.map(dimNumber) }, { value: { tensor } });
  }
  float(value: number): string {
    return this.constant(`constant/${value}`, floatTensor([], [value]));
  }
  int(value: number): string {
    return this.constant(`constant/${value}`, intTensor([], [value]));
  }
  /** A list of whole numbers: a shape, axes. */
  ints(values: readonly number[]): string {
    return this.constant(`constant/[${values.join(",")}]`, intTensor([values.length], values));
  }
  end(): string {
    return this.constant("constant/end", { type: "int64", shape: [1], bytes: bytesOf(BigInt64Array.of(largestInt64)) });
  }
  /** The nodes that some wanted value needs, in order. */
  needed(outputs: readonly string[]): readonly OnnxNode[] {
    const wanted = new Set(outputs);
    for (const node of [...this.nodes].reverse()) if (gives(node, wanted)) for (const x of node.inputs) wanted.add(x);
    return this.nodes.filter((n) => gives(n, wanted));
  }
}
const gives = (node: OnnxNode, wanted: ReadonlySet<string>): boolean => wanted.has(node.output) || (node.more ?? []).some((name) => name !== "" && wanted.has(name));

/** The dims as numbers, or undefined where one is free. */
export function numbersOf(shape: readonly Dim[]): readonly number[] | undefined {
  const numbers = shape.map(dimValue);
  return numbers.every((n) => n !== undefined) ? numbers : undefined;
}
