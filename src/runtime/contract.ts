/**
 * What a generated package and the runtime tell each other: plain JSON and small interfaces.
 * The compiler writes a `ModelDescription` into every package; the runtime knows nothing else of the compiler.
 */

/** A tensor on the host: row-major, little-endian. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array;
}
export type TensorMap = Readonly<Record<string, HostTensor>>;

/** What a map has of its own under a name: a spec may call things `constructor` or `toString`, which every object knows. */
export function own<T>(map: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

/** An axis of the wire format: a size, or the name of an axis that stays free ("batch", an unsolved dim). */
export type WireAxis = number | string;

export interface WireTensor {
  readonly name: string;
  /** real: float32; class: 0 … classes−1; token: 0 … classes−1. Labels and tokens travel as int32 on the host. */
  readonly kind: "real" | "class" | "token";
  /** Count of classes or symbols. */
  readonly classes?: number;
  /**
   * Wire shape, first axis "batch": real[d, n] is [batch, n, d], real[q] is [batch, q], real[3, h, w] is [batch, 3, h, w],
   * real is [batch], class[C] is [batch], token[V, n] is [batch, n]; where the spec has `dim m = batch`, real[d, m] is [batch, d].
   */
  readonly shape: readonly WireAxis[];
  /** A target that neither the loss nor a metric nor a capture reads: data need not have it, but where an audit reads it. */
  readonly unread?: "always" | "but in audits";
}
/** Whether data must have it. */
export const isNeeded = ({ unread }: WireTensor, audits: boolean): boolean => unread === undefined || (audits && unread === "but in audits");

/** How a parameter starts; the fans are resolved by the compiler. */
export type Init =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly bound: number }
  /** Semi-orthonormal columns (or rows, whichever are fewer) of each member's last two axes. */
  | { readonly kind: "orthonormal" }
  | { readonly kind: "identity"; readonly scale: number }
  /** Value computed by the compiler (`from(EXPR)` of fixed values, `sincos2d`) or by the package from other parameters. */
  | { readonly kind: "value"; readonly data: readonly number[] }
  /** Must come from a file of weights. */
  | { readonly kind: "file" };

/** Where somebody else's file has a parameter: its tensor's name, and how its axes stand there. */
export interface ParameterAlias {
  readonly name: string;
  /** `(k p) d`, and the names that each stored axis goes by; without it the entries are read in row-major order. */
  readonly axes?: { readonly pattern: string; readonly names: readonly (readonly string[])[] };
}
export interface ParameterDescription {
  readonly name: string;
  /** As declared: real[d, p] is [d, p]; a family has its index first. */
  readonly shape: readonly number[];
  readonly trainable: boolean;
  /** Learned under a transformation that keeps it positive; files and inits hold the value itself. */
  readonly positive: boolean;
  readonly init: Init;
  readonly alias?: ParameterAlias;
}

/** Why a value does not fit a parameter, in words that follow its name; undefined where it fits. Whatever comes from outside is asked here. */
export function valueFault(p: Pick<ParameterDescription, "shape" | "positive">, t: HostTensor): string | undefined {
  if (t.shape.join() !== p.shape.join()) return `is [${t.shape.join(", ")}], wanted [${p.shape.join(", ")}]`;
  // As float32, in which engines compute: what rounds to 0 there is not positive.
  const at = p.positive ? t.data.findIndex((x) => !(Math.fround(x) > 0)) : -1;
  return at < 0 ? undefined : `must be positive, and has ${Number(t.data[at]?.toPrecision(6))}`;
}

export type OptimizerProgram =
  | { readonly kind: "sgd"; readonly rate: number; readonly momentum: number; readonly weightDecay: number; readonly clip?: number }
  | { readonly kind: "adam" | "adamw"; readonly rate: number; readonly beta1: number; readonly beta2: number; readonly epsilon: number; readonly weightDecay: number; readonly clip?: number }
  | { readonly kind: "lion"; readonly rate: number; readonly beta1: number; readonly beta2: number; readonly weightDecay: number; readonly clip?: number };

/** `rate warmup(5) then cosine`: stages in order; lengths in epochs or steps; the last stage fills what remains. */
export type ScheduleStage =
  | { readonly kind: "warmup"; readonly length: Duration }
  | { readonly kind: "cosine"; readonly length?: Duration }
  | { readonly kind: "linear"; readonly length?: Duration }
  | { readonly kind: "constant"; readonly length?: Duration };
export interface Duration {
  readonly value: number;
  readonly unit: "epochs" | "steps";
}

/** A call of the train block with its arguments as plain data: `random_crop(padding: 2)`. */
export interface PlainCall {
  readonly name: string;
  readonly positional: readonly PlainValue[];
  readonly named: Readonly<Record<string, PlainValue>>;
}
/** `{ reference }`: the name of an input, target, output or parameter. */
export type PlainValue = number | string | { readonly reference: string };

export interface TrainingProgram {
  /** data mnist → name "mnist"; data synthetic sparse_codes(…) → name "sparse_codes". */
  readonly data: PlainCall;
  readonly augment: readonly PlainCall[];
  readonly optimizer?: OptimizerProgram;
  /** True: `construct`, no optimiser. */
  readonly construct: boolean;
  readonly schedule: readonly ScheduleStage[];
  readonly batch: number;
  readonly epochs?: number;
  readonly steps?: number;
  readonly seed: number;
  /** input name → how it is drawn. */
  readonly feed: readonly { readonly input: string; readonly source: PlainCall }[];
  readonly metrics: readonly PlainCall[];
  /** The loss as text, for people. */
  readonly loss?: string;
}

/** The spec that a network is of, and what was chosen of it besides the preset. */
export interface SpecSource {
  /** Its file: in a package, relative to it. */
  readonly file: string;
  /** Where the spec has several. */
  readonly network?: string;
  /** Dims and consts that were set. */
  readonly settings: Readonly<Record<string, number>>;
}
export interface ModelDescription {
  readonly format: 1;
  readonly name: string;
  readonly compiler: string;
  /** sha256 of the spec's text (imports included). */
  readonly specHash: string;
  readonly source?: SpecSource;
  readonly preset?: string;
  /** Dims, consts and lets that are numbers, after presets and settings: with the spec's text and the preset, what makes the network this one. */
  readonly constants: Readonly<Record<string, number>>;
  /** Of a run that names none: the spec's, unless the network was built with another. Fixed parameters keep to the spec's. */
  readonly seed: number;
  readonly inputs: readonly WireTensor[];
  readonly targets: readonly WireTensor[];
  readonly outputs: readonly WireTensor[];
  readonly parameters: readonly ParameterDescription[];
  readonly training?: TrainingProgram;
}

/** What two builds of one spec may differ in. */
export type NetworkIdentity = Pick<ModelDescription, "name" | "preset" | "constants">;

/** One batch: inputs and targets by name, in wire format with the batch axis first. */
export type Batch = TensorMap;

export interface StepResult {
  readonly loss: number;
  /** Norm of the whole gradient before clipping, where the engine has it. */
  readonly gradientNorm?: number;
}

/** One training loop, several engines (tfjs, ONNX Runtime). The learning rate comes from the loop, per step. */
export interface TrainingEngine {
  /** For people: "tfjs wasm 4.22.0 (2 threads)". */
  readonly description: string;
  /** Forward, backward, clipping, update; `step` counts from 1 (bias correction); `seed` is the step's own random seed (dropout). */
  trainStep(batch: Batch, options: { readonly learningRate: number; readonly step: number; readonly seed: number }): Promise<StepResult>;
  /** Outputs by name (batch first) and, where targets are in the batch, the loss. No dropout. */
  evaluate(batch: Batch): Promise<{ readonly loss?: number; readonly outputs: TensorMap }>;
  /** Values in declared layout (a positive parameter: the value itself). */
  parameters(): Promise<TensorMap>;
  setParameters(values: TensorMap): Promise<void>;
  /** Everything else that a resumed run needs: moments, … ; float32, named `<parameter>/m` and so on. */
  optimizerState(): Promise<TensorMap>;
  setOptimizerState(state: TensorMap): Promise<void>;
  /**
   * Where numbers stop being finite for this batch, asked once, after a training step that was not: the first step of the network
   * (`block.3.compress`) whose value is not finite, else the parameter from which on backwards the gradient is not.
   */
  locate?(batch: Batch): Promise<string | undefined>;
  /** Everything that an audit shows: the variable after every step, `audit/<step>/before` and `/after`. Nothing where the batch lacks what it reads. */
  probe?(batch: Batch): Promise<TensorMap>;
  /** Count of live device tensors, where the engine can tell; flat across steps. */
  tensorCount?(): number;
  dispose(): void;
}
