/**
 * Training on ONNX Runtime: each step is one run of `train.onnx`, whose outputs are the next step's inputs.
 * Works with onnxruntime-node, and with any other ONNX Runtime that has the same JavaScript interface.
 */
import { firstUnfinite, unaudited } from "../audit.js";
import type { Batch, HostTensor, ModelDescription, StepResult, TensorMap, TrainingEngine } from "../contract.js";
import { own, valueFault } from "../contract.js";
import { DataError } from "../safetensors.js";
import { addedNames, declaredOutput, runtimeOutput } from "../wire-names.js";

/** What is used of `onnxruntime-node` (onnxruntime-web has the same). */
export interface OrtTensor {
  readonly dims: readonly number[];
  readonly data: unknown;
}
export interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release?(): Promise<void>;
}
export interface Ort {
  readonly Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(model: Uint8Array, options?: object): Promise<OrtSession> };
}
export interface OrtModels {
  /** One training step. */
  readonly train: Uint8Array;
  /** Outputs and loss; parameters are inputs. */
  readonly evaluate: Uint8Array;
  /** As `evaluate`, with the value after every step among the outputs: what finds the layer where numbers stop being finite. */
  readonly probe?: Uint8Array;
}

const next = (name: string): string => `${name}/next`;

export async function createOrtEngine(ort: Ort, model: ModelDescription, models: OrtModels, options: { readonly threads?: number; readonly name?: string } = {}): Promise<TrainingEngine> {
  const program = model.training?.optimizer;
  if (!program) throw new Error("the model has no optimiser");
  // Between two runs the threads of one session must not spin on the cores that another, or the loop itself, works on.
  const session = {
    ...(options.threads === undefined ? {} : { intraOpNumThreads: options.threads }),
    enableMemPattern: false, logSeverityLevel: 3, extra: { session: { force_spinning_stop: "1" } },
  };
  const [train, evaluate] = [await ort.InferenceSession.create(models.train, session), await ort.InferenceSession.create(models.evaluate, session)];
  const float = (shape: readonly number[], data: ArrayLike<number>): OrtTensor =>
    new ort.Tensor("float32", data instanceof Float32Array ? data : Float32Array.from(data), shape);
  const labels = new Set([...model.inputs, ...model.targets].filter((t) => t.kind !== "real").map((t) => t.name));
  const onWire = (name: string, t: HostTensor): OrtTensor =>
    labels.has(name) ? new ort.Tensor("int64", BigInt64Array.from(t.data as Int32Array, BigInt), t.shape) : float(t.shape, t.data);
  const names = addedNames(model);
  const suffixes = train.inputNames.some((n) => n.endsWith("/v")) ? ["m", "v"] : train.inputNames.some((n) => n.endsWith("/m")) ? ["m"] : [];
  const learned = model.parameters.filter((p) => p.trainable);
  const values = new Map<string, OrtTensor>();
  const state = new Map<string, OrtTensor>();
  for (const p of learned) {
    const size = p.shape.reduce((a, b) => a * b, 1);
    for (const s of suffixes) state.set(`${p.name}/${s}`, float(p.shape, new Float32Array(size)));
  }
  const host = (map: ReadonlyMap<string, OrtTensor>): TensorMap =>
    Object.fromEntries([...map].map(([name, t]) => [name, { shape: [...t.dims], data: Float32Array.from(t.data as Float32Array) }]));
  // Dropout is arithmetic on it; a step without dropout does not ask for it.
  const seedOf = (seed: number): OrtTensor => new ort.Tensor("int64", BigInt64Array.of(BigInt(seed)), []);
  const scalar = (x: number): OrtTensor => float([], Float32Array.of(x));
  const feedsFor = (s: OrtSession, batch: Batch, more: Record<string, OrtTensor>): Record<string, OrtTensor> =>
    Object.fromEntries(s.inputNames.flatMap((name) => {
      const given = own(batch, name);
      const tensor = own(more, name) ?? values.get(name) ?? state.get(name) ?? (given && onWire(name, given));
      if (!tensor) throw new DataError(`the batch has no ${name}`);
      return [[name, tensor] as const];
    }));
  // Bias corrections in double: at step 1000 the float32 power would be off in the fifth digit.
  const corrections = (step: number): readonly [number, number] => program.kind === "adam" || program.kind === "adamw"
    ? [1 / (1 - program.beta1 ** step), 1 / (1 - program.beta2 ** step)] : [1, 1];

  // After a step that failed: the learned parameters whose new values would not be finite, in the network's order.
  let spoilt: readonly string[] = [];
  const finite = (t: OrtTensor | undefined): boolean => ((t?.data ?? []) as Float32Array).every((x) => Number.isFinite(x));
  let probing: OrtSession | undefined;
  const probe = async (batch: Batch): Promise<TensorMap> => {
    if (!models.probe || unaudited(model, batch).length > 0) return {};
    probing ??= await ort.InferenceSession.create(models.probe, session);
    const out = await probing.run(feedsFor(probing, batch, {}));
    return host(new Map(probing.outputNames.map((name) => [declaredOutput(name), out[name] as OrtTensor])));
  };

  return {
    description: `${options.name ?? "onnxruntime"} (${options.threads ?? "default"} threads)`,
    async trainStep(batch, { learningRate, step, seed }): Promise<StepResult> {
      const [c1, c2] = corrections(step);
      const feeds = feedsFor(train, batch, {
        [names.learningRate]: scalar(learningRate), [names.correction1]: scalar(c1), [names.correction2]: scalar(c2), [names.seed]: seedOf(seed),
      });
      // Tensors to write into would gain nothing: onnxruntime-node copies every output into a new one all the same.
      const out = await train.run(feeds);
      const loss = Number((out[names.loss]?.data as Float32Array | undefined)?.[0]);
      const gradientNorm = Number((out[names.gradientNorm]?.data as Float32Array | undefined)?.[0]);
      // A step that is not finite must not be taken over.
      if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) {
        spoilt = [];
        for (const map of [values, state]) for (const name of map.keys()) {
          const fresh = out[next(name)];
          if (fresh) map.set(name, fresh);
        }
      }
      else spoilt = learned.map((p) => p.name).filter((name) => !finite(out[next(name)]));
      return { loss, gradientNorm };
    },
    probe,
    async locate(batch) {
      const forward = firstUnfinite(await probe(batch), model);
      if (forward !== undefined) return forward;
      // Backwards, what is not finite spreads from the later layers to the earlier: the last one affected is where it begins.
      const last = spoilt.at(-1);
      return last === undefined ? undefined : `the gradient of ${last}${spoilt.length > 1 ? ` (and of ${spoilt.length - 1} parameter${spoilt.length > 2 ? "s" : ""} before it)` : ""}`;
    },
    async evaluate(batch) {
      const out = await evaluate.run(feedsFor(evaluate, batch, {}));
      const outputs = Object.fromEntries(model.outputs.map((o): [string, HostTensor] => {
        const t = out[runtimeOutput(o.name)] as OrtTensor;
        return [o.name, { shape: [...t.dims], data: t.data as Float32Array }];
      }));
      const loss = out[names.loss];
      return loss ? { loss: Number((loss.data as Float32Array)[0]), outputs } : { outputs };
    },
    async parameters() { return host(values); },
    async setParameters(given) {
      for (const p of model.parameters) {
        const t = own(given, p.name);
        if (!t) continue;
        const fault = valueFault(p, t);
        if (fault !== undefined) throw new DataError(`parameter ${p.name} ${fault}`);
        values.set(p.name, float(p.shape, t.data));
      }
    },
    async optimizerState() { return host(state); },
    async setOptimizerState(given) {
      for (const name of state.keys()) {
        const t = own(given, name);
        if (t) state.set(name, float(t.shape, t.data));
      }
    },
    dispose() {
      void train.release?.();
      void evaluate.release?.();
      void probing?.release?.();
    },
  };
}
