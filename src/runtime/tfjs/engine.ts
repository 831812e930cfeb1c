/** Training on TensorFlow.js: the generated model, its gradients by tfjs, our optimisers. */
import * as tf from "@tensorflow/tfjs-core";
import { firstUnfinite, unaudited } from "../audit.js";
import { type Batch, type HostTensor, isNeeded, type ModelDescription, own, type StepResult, type TensorMap, type TrainingEngine, valueFault } from "../contract.js";
import { DataError } from "../safetensors.js";
import type { Backend } from "./backend.js";
import type { RunOptions, Tensors } from "./kernels.js";
import { createOptimizer, type Learned } from "./optimizers.js";

/** What `model.ts` of a package exports. */
export interface GeneratedModel {
  /** Outputs by name. */
  readonly predict: (inputs: Tensors, run: RunOptions) => Tensors;
  /** The mean loss over the batch (a scalar) and the outputs, where the spec has a loss. */
  readonly lossOf?: (inputs: Tensors, run: RunOptions) => { readonly loss: tf.Tensor; readonly outputs: Tensors };
  readonly probe?: (inputs: Tensors, run: RunOptions) => Tensors;
}
let models = 0;

export async function createTfjsEngine(description: ModelDescription, model: GeneratedModel, backend: Backend): Promise<TrainingEngine> {
  const scope = `model${++models}`;
  const variables = new Map<string, tf.Variable>();
  const byVariable = new Map<string, string>();
  for (const p of description.parameters) {
    const variable = tf.tidy(() => tf.variable(tf.zeros([...p.shape]), p.trainable, `${scope}/${p.name}`));
    variables.set(p.name, variable);
    byVariable.set(variable.name, p.name);
  }
  const logarithmic = new Set(description.parameters.filter((p) => p.positive && p.trainable).map((p) => p.name));
  const learned = description.parameters.filter((p) => p.trainable)
    .map((p): Learned => ({ name: p.name, variable: variables.get(p.name) as tf.Variable, logarithmic: logarithmic.has(p.name) }));
  const program = description.training?.optimizer;
  const optimizer = program && learned.length > 0 ? createOptimizer(tf, program, learned) : undefined;
  const labels = new Set([...description.inputs, ...description.targets].filter((t) => t.kind !== "real").map((t) => t.name));

  /** Positive parameters are learned as logarithms; the model sees the values. */
  const values = (): Tensors => Object.fromEntries([...variables].map(([name, v]) => [name, logarithmic.has(name) ? tf.exp(v) : v]));
  const onDevice = (batch: Batch): Tensors => Object.fromEntries(Object.entries(batch).map(([name, t]) =>
    [name, tf.tensor(labels.has(name) ? Int32Array.from(t.data) : t.data instanceof Float32Array ? t.data : Float32Array.from(t.data), [...t.shape], labels.has(name) ? "int32" : "float32")]));
  const toHost = async (t: tf.Tensor): Promise<HostTensor> => ({ shape: [...t.shape], data: Float32Array.from(await t.data()) });
  /** All at once, and off the device. */
  const takeToHost = async (tensors: Tensors): Promise<TensorMap> => {
    const found: Record<string, HostTensor> = Object.create(null);
    for (const [name, t] of Object.entries(tensors)) found[name] = await toHost(t);
    tf.dispose(Object.values(tensors));
    return found;
  };
  const probe = async (batch: Batch): Promise<TensorMap> => {
    const { probe: probeOf } = model;
    return probeOf && unaudited(description, batch).length === 0 ? takeToHost(tf.tidy(() => probeOf(onDevice(batch), { parameters: values() }))) : {};
  };
  const hasTargets = (batch: Batch): boolean => description.targets.every((t) => !isNeeded(t, false) || own(batch, t.name) !== undefined);

  return {
    description: backend.description,
    async trainStep(batch, { learningRate, step, seed }): Promise<StepResult> {
      const { lossOf } = model;
      if (!lossOf || !optimizer) throw new DataError("the model has no loss or no optimizer");
      const { value, grads } = tf.tidy(() => {
        const inputs = onDevice(batch);
        return tf.variableGrads(() => lossOf(inputs, { parameters: values(), dropout: { seed } }).loss as tf.Scalar, learned.map((l) => l.variable));
      });
      const loss = Number((await value.data())[0]);
      const gradients = Object.fromEntries(Object.entries(grads).map(([name, g]) => [byVariable.get(name) ?? name, g]));
      // A step that is not finite is not taken.
      const gradientNorm = Number.isFinite(loss) ? await optimizer.apply(gradients, { learningRate, step }) : Number.NaN;
      tf.dispose([value, ...Object.values(grads)]);
      return { loss, gradientNorm };
    },
    probe,
    locate: async (batch) => firstUnfinite(await probe(batch), description),
    async evaluate(batch) {
      const { loss, outputs }: { readonly loss?: tf.Tensor; readonly outputs: Tensors } = tf.tidy(() => {
        const run = { parameters: values() };
        return model.lossOf && hasTargets(batch) ? model.lossOf(onDevice(batch), run) : { outputs: model.predict(onDevice(batch), run) };
      });
      const found = await takeToHost(outputs);
      if (!loss) return { outputs: found };
      const number = Number((await loss.data())[0]);
      loss.dispose();
      return { loss: number, outputs: found };
    },
    async parameters() {
      const found: Record<string, HostTensor> = Object.create(null);
      for (const [name, v] of variables) {
        const stored = await toHost(v);
        found[name] = logarithmic.has(name) ? { shape: stored.shape, data: Float32Array.from(stored.data, Math.exp) } : stored;
      }
      return found;
    },
    async setParameters(given: TensorMap) {
      for (const p of description.parameters) {
        const t = own(given, p.name);
        if (!t) continue;
        const fault = valueFault(p, t);
        if (fault !== undefined) throw new DataError(`parameter ${p.name} ${fault}`);
        const stored = logarithmic.has(p.name) ? Float32Array.from(t.data, Math.log) : Float32Array.from(t.data);
        tf.tidy(() => (variables.get(p.name) as tf.Variable).assign(tf.tensor(stored, [...p.shape])));
      }
    },
    // A logarithm goes into the state as it is: out of the exponential it would come back rounded.
    async optimizerState() {
      const state: Record<string, HostTensor> = { ...(optimizer ? await optimizer.state() : {}) };
      for (const name of logarithmic) state[`${name}/log`] = await toHost(variables.get(name) as tf.Variable);
      return state;
    },
    async setOptimizerState(state) {
      optimizer?.setState(state);
      for (const name of logarithmic) {
        const t = state[`${name}/log`];
        if (t) tf.tidy(() => (variables.get(name) as tf.Variable).assign(tf.tensor(Float32Array.from(t.data), [...t.shape])));
      }
    },
    tensorCount: () => tf.memory().numTensors,
    dispose() {
      optimizer?.dispose();
      for (const v of variables.values()) v.dispose();
    },
  };
}
