/**
 * Which update does an optimiser make? SGD with momentum, Adam, AdamW and Lion as in PyTorch 2 and lion-pytorch 0.2.5, on tensors.
 * Weight decay is decoupled: every learned parameter shrinks by 1 − learning rate · decay before the step.
 */
import type * as Core from "@tensorflow/tfjs-core";
import { type HostTensor, type OptimizerProgram, own, type TensorMap } from "../contract.js";

type Tf = typeof Core;

/** What one step is told besides the gradients; `step` counts from 1. */
export interface UpdateOptions {
  readonly learningRate: number;
  readonly step: number;
}
/** Exponential averages kept for each parameter: `m` of gradients, `v` of their squares. */
export type Moment = "m" | "v";

interface Arithmetic {
  readonly tf: Tf;
  readonly gradient: Core.Tensor;
  readonly options: UpdateOptions;
  /** The average as it is now. */
  readonly moment: (name: Moment) => Core.Tensor;
}
interface Update {
  /** Taken off the (decayed) parameter. */
  readonly change: Core.Tensor;
  readonly moments: Readonly<Partial<Record<Moment, Core.Tensor>>>;
}
interface OptimizerRow<P extends OptimizerProgram> {
  readonly moments: (program: P) => readonly Moment[];
  readonly update: (program: P, a: Arithmetic) => Update;
}
type Of<K extends OptimizerProgram["kind"]> = Extract<OptimizerProgram, { readonly kind: K }>;

const average = (tf: Tf, before: Core.Tensor, value: Core.Tensor, keep: number): Core.Tensor =>
  tf.add(tf.mul(before, keep), tf.mul(value, 1 - keep));

/** Kingma & Ba 2015; bias corrections in double on the host, where powers of 0.999 keep their digits. */
const adam: OptimizerRow<Of<"adam" | "adamw">> = {
  moments: () => ["m", "v"],
  update: (program, { tf, gradient, options, moment }) => {
    const m = average(tf, moment("m"), gradient, program.beta1);
    const v = average(tf, moment("v"), tf.square(gradient), program.beta2);
    const scale = options.learningRate / (1 - program.beta1 ** options.step);
    const root = Math.sqrt(1 - program.beta2 ** options.step);
    return { change: tf.div(tf.mul(m, scale), tf.add(tf.div(tf.sqrt(v), root), program.epsilon)), moments: { m, v } };
  },
};
export const optimizerRows: { readonly [K in OptimizerProgram["kind"]]: OptimizerRow<Of<K>> } = {
  sgd: {
    moments: (program) => (program.momentum === 0 ? [] : ["m"]),
    update: (program, { tf, gradient, options, moment }) => {
      if (program.momentum === 0) return { change: tf.mul(gradient, options.learningRate), moments: {} };
      const m = tf.add(tf.mul(moment("m"), program.momentum), gradient);
      return { change: tf.mul(m, options.learningRate), moments: { m } };
    },
  },
  adam, adamw: adam,
  /** Chen et al. 2023. */
  lion: {
    moments: () => ["m"],
    update: (program, { tf, gradient, options, moment }) => {
      const direction = tf.sign(average(tf, moment("m"), gradient, program.beta1));
      return { change: tf.mul(direction, options.learningRate), moments: { m: average(tf, moment("m"), gradient, program.beta2) } };
    },
  },
};

/** One learned parameter: its variable, and how decay acts where the variable is not the value itself. */
export interface Learned {
  readonly name: string;
  readonly variable: Core.Variable;
  /** Held as its logarithm: decay of the value by a factor is a shift. */
  readonly logarithmic: boolean;
}
export interface Optimizer {
  /** Decays, clips and steps every parameter, one without a gradient as with a zero one; the norm of the whole gradient before clipping. Not taken over where it is not finite. */
  apply(gradients: Readonly<Record<string, Core.Tensor>>, options: UpdateOptions): Promise<number>;
  /** Moments named `<parameter>/m`. */
  state(): Promise<TensorMap>;
  setState(state: TensorMap): void;
  dispose(): void;
}

class TensorOptimizer<P extends OptimizerProgram> implements Optimizer {
  private readonly moments = new Map<string, Core.Variable>();

  constructor(private readonly tf: Tf, private readonly program: P, private readonly row: OptimizerRow<P>, private readonly learned: readonly Learned[]) {
    for (const { name, variable } of learned) {
      for (const moment of row.moments(program)) {
        this.moments.set(`${name}/${moment}`, tf.tidy(() => tf.variable(tf.zeros(variable.shape), false)));
      }
    }
  }
  async apply(gradients: Readonly<Record<string, Core.Tensor>>, options: UpdateOptions): Promise<number> {
    const norm = await this.norm(gradients);
    if (!Number.isFinite(norm)) return norm;
    const { clip } = this.program;
    const factor = clip !== undefined && norm > clip ? clip / norm : 1;
    for (const parameter of this.learned) {
      const gradient = own(gradients, parameter.name);
      this.tf.tidy(() => this.step(parameter, !gradient ? this.tf.zerosLike(parameter.variable) : factor === 1 ? gradient : this.tf.mul(gradient, factor), options));
    }
    return norm;
  }
  private async norm(gradients: Readonly<Record<string, Core.Tensor>>): Promise<number> {
    const { tf } = this;
    const squares = tf.tidy(() => {
      const each = this.learned.flatMap(({ name }) => { const g = own(gradients, name); return g ? [tf.sum(tf.square(g))] : []; });
      return each.length === 0 ? tf.scalar(0) : tf.addN(each as Core.Scalar[]);
    });
    const [sum] = await squares.data();
    squares.dispose();
    return Math.sqrt(sum ?? 0);
  }
  private step({ name, variable, logarithmic }: Learned, gradient: Core.Tensor, options: UpdateOptions): void {
    const { tf } = this;
    const moment = (which: Moment): Core.Variable => this.moments.get(`${name}/${which}`) as Core.Variable;
    const { change, moments } = this.row.update(this.program, { tf, gradient, options, moment });
    const kept = 1 - options.learningRate * this.program.weightDecay;
    const decayed = kept === 1 ? variable : logarithmic ? tf.add(variable, Math.log(kept)) : tf.mul(variable, kept);
    variable.assign(tf.sub(decayed, change));
    for (const which of ["m", "v"] as const) {
      const next = moments[which];
      if (next) moment(which).assign(next);
    }
  }
  async state(): Promise<TensorMap> {
    const entries: [string, HostTensor][] = [];
    for (const [name, variable] of this.moments) entries.push([name, { shape: [...variable.shape], data: Float32Array.from(await variable.data()) }]);
    return Object.fromEntries(entries);
  }
  setState(state: TensorMap): void {
    for (const [name, variable] of this.moments) {
      const given = state[name];
      if (given) this.tf.tidy(() => variable.assign(this.tf.tensor(Float32Array.from(given.data), [...variable.shape])));
    }
  }
  dispose(): void {
    for (const variable of this.moments.values()) variable.dispose();
    this.moments.clear();
  }
}

/** The optimiser of a training program, with zero moments. */
export function createOptimizer(tf: Tf, program: OptimizerProgram, learned: readonly Learned[]): Optimizer {
  const row = optimizerRows[program.kind] as OptimizerRow<OptimizerProgram>;
  return new TensorOptimizer(tf, program, row, learned);
}
