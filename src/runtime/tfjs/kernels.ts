/**
 * What generated models call besides tfjs itself: operations that tfjs lacks, or whose gradient there fails or is slow.
 * Each gradient is written out, so a training step needs no kernel that WebAssembly does not have.
 */
import * as tf from "@tensorflow/tfjs-core";
import { DataError } from "../safetensors.js";

export type Tensors = Readonly<Record<string, tf.Tensor>>;
/** What a run of the model carries along. */
export interface RunOptions {
  readonly parameters: Tensors;
  /** Where dropout drops: the training step's seed. */
  readonly dropout?: { seed: number };
}
export function parameter(run: RunOptions, name: string): tf.Tensor {
  const found = Object.hasOwn(run.parameters, name) ? run.parameters[name] : undefined;
  if (!found) throw new DataError(`there is no parameter ${name}`);
  return found;
}
export function input(inputs: Tensors, name: string): tf.Tensor {
  const found = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
  if (!found) throw new DataError(`the batch has no ${name}`);
  return found;
}

const swapLast = (x: tf.Tensor): tf.Tensor => {
  const order = x.shape.map((_, i) => i);
  const last = order.length - 1;
  [order[last - 1], order[last]] = [last, last - 1];
  return tf.transpose(x, order);
};
/** WebAssembly multiplies with a transpose flag 11 to 14 times slower than after a transpose; native kernels like the flags. */
function product(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor {
  if (tf.getBackend() !== "wasm") return tf.matMul(a, b, transposeA, transposeB);
  return tf.matMul(transposeA ? swapLast(a) : a, transposeB ? swapLast(b) : b);
}
/** Operands of equal batch axes. The gradient is made of quick products too: tfjs-core's own would take the slow flags. */
export function matMul(a: tf.Tensor, b: tf.Tensor, transposeA = false, transposeB = false): tf.Tensor {
  const op = tf.customGrad((...args) => {
    const [x, y, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    save([x, y]);
    return {
      value: product(x, y, transposeA, transposeB),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [p, q] = saved as [tf.Tensor, tf.Tensor];
        const dp = transposeA ? product(q, dy, transposeB, true) : product(dy, q, false, !transposeB);
        const dq = transposeB ? product(dy, p, true, transposeA) : product(p, dy, !transposeA, false);
        return [dp, dq];
      },
    };
  });
  return op(a, b);
}
type One = (x: tf.Tensor, save: tf.GradSaveFunc) => { value: tf.Tensor; gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor };
/** An operation of one tensor with its own gradient. */
const withGradient = (f: One): ((x: tf.Tensor) => tf.Tensor) => tf.customGrad(f as unknown as Parameters<typeof tf.customGrad>[0]) as (x: tf.Tensor) => tf.Tensor;

function normal(x: tf.Tensor, eps: number, centred: boolean): tf.Tensor {
  return withGradient((value, save) => {
    // Centred twice: the rounding of one mean, divided by √eps, is what is left of a constant row (an empty image patch) otherwise.
    const once = centred ? tf.sub(value, tf.mean(value, -1, true)) : value;
    const shifted = centred ? tf.sub(once, tf.mean(once, -1, true)) : value;
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(shifted), -1, true), eps));
    const result = tf.mul(shifted, scale);
    save([result, scale]);
    return {
      value: result,
      gradFunc: (dy, saved) => {
        const [y, s] = saved as [tf.Tensor, tf.Tensor];
        const along = tf.sub(dy, tf.mul(y, tf.mean(tf.mul(dy, y), -1, true)));
        return tf.mul(centred ? tf.sub(along, tf.mean(dy, -1, true)) : along, s);
      },
    };
  })(x);
}
/** (x − mean)/√(variance + eps) along the last axis. */
export const standardize = (x: tf.Tensor, eps: number): tf.Tensor => normal(x, eps, true);
/** x/√(mean of squares + eps) along the last axis. */
export const rmsStandardize = (x: tf.Tensor, eps: number): tf.Tensor => normal(x, eps, false);

/** The value goes on, no gradient comes back. */
export const stopGradient = (x: tf.Tensor): tf.Tensor =>
  withGradient((value) => ({ value: tf.clone(value), gradFunc: (dy) => tf.zerosLike(dy) }))(x);

/** 1 where the comparison holds, else 0; no gradient. Operands spread as NumPy does. */
export function compare(how: "equal" | "less" | "lessEqual" | "greater" | "greaterEqual", a: tf.Tensor | number, b: tf.Tensor | number): tf.Tensor {
  const op = tf.customGrad((...args) => {
    const [x, y] = args as unknown as [tf.Tensor, tf.Tensor];
    const [xShape, yShape] = [x.shape, y.shape];
    return { value: tf.cast(tf[how](x, y), "float32"), gradFunc: () => [tf.zeros(xShape), tf.zeros(yShape)] };
  });
  const whole = (x: tf.Tensor | number): tf.Tensor => (typeof x === "number" ? tf.scalar(x) : x);
  return op(whole(a), whole(b));
}
/** a where the condition is not 0, else b; both of this shape, or a number. */
export function choose(condition: tf.Tensor, a: tf.Tensor | number, b: tf.Tensor | number, shape: number[]): tf.Tensor {
  const whole = (x: tf.Tensor | number): tf.Tensor => (typeof x === "number" ? tf.fill(shape, x) : x);
  const mask = compare("equal", condition.shape.join() === shape.join() ? condition : spreadTo(condition, shape), 0);
  const op = tf.customGrad((...args) => {
    const [x, y, save] = args as unknown as [tf.Tensor, tf.Tensor, tf.GradSaveFunc];
    save([mask]);
    return {
      value: tf.where(tf.cast(mask, "bool"), y, x),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => [tf.mul(dy, tf.sub(1, saved[0] as tf.Tensor)), tf.mul(dy, saved[0] as tf.Tensor)],
    };
  });
  return op(whole(a), whole(b));
}
/** Running sums along an axis counted from the front (a negative one corrupts WebAssembly's memory). tfjs's own gradient permutes the result. */
export const cumulate = (x: tf.Tensor, axis: number, reverse: boolean): tf.Tensor =>
  withGradient((value) => ({ value: tf.cumsum(value, axis, false, reverse), gradFunc: (dy) => tf.cumsum(dy, axis, false, !reverse) }))(x);
/** Towards zero; no gradient. */
export const toInteger = (x: tf.Tensor): tf.Tensor => tf.cast(stopGradient(x), "int32");

/** x·Φ(x) with the error function (Hendrycks & Gimpel 2016). */
export const gelu = (x: tf.Tensor): tf.Tensor =>
  withGradient((value, save) => {
    const phi = tf.mul(0.5, tf.add(1, tf.erf(tf.mul(value, Math.SQRT1_2))));
    save([value, phi]);
    return {
      value: tf.mul(value, phi),
      gradFunc: (dy, saved) => {
        const [v, p] = saved as [tf.Tensor, tf.Tensor];
        const density = tf.mul(tf.exp(tf.mul(tf.square(v), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        return tf.mul(dy, tf.add(p, tf.mul(v, density)));
      },
    };
  })(x);
/** Spread to a shape as NumPy does. The gradient is one sum: tfjs's own adds slice by slice. */
export function spreadTo(x: tf.Tensor, shape: number[]): tf.Tensor {
  const missing = shape.length - x.shape.length;
  const axes = shape.flatMap((size, i) => (i < missing || (x.shape[i - missing] === 1 && size !== 1) ? [i] : []));
  return withGradient((value) => ({
    value: tf.broadcastTo(value, shape),
    gradFunc: (dy) => tf.reshape(axes.length === 0 ? dy : tf.sum(dy, axes), x.shape),
  }))(x);
}
/** −1, 0 or 1; its gradient is 0. */
export const signOf = (x: tf.Tensor): tf.Tensor =>
  withGradient((value) => ({ value: tf.sign(value), gradFunc: (dy) => tf.zerosLike(dy) }))(x);

/** Entries kept with probability 1 − rate and scaled by its inverse, in training only. */
export function dropout(x: tf.Tensor, rate: number, run: RunOptions): tf.Tensor {
  if (!run.dropout || rate === 0) return x;
  run.dropout.seed = (run.dropout.seed + 0x9e3779b1) >>> 0;
  return tf.dropout(x, rate, undefined, String(run.dropout.seed));
}

/** One-hot rows: [count of indices, depth]. */
const rowsOf = (indices: tf.Tensor, depth: number): tf.Tensor => tf.cast(tf.oneHot(tf.cast(tf.reshape(indices, [-1]), "int32"), depth), "float32");
/** Rows of a table by their numbers. The gradient is a product with one-hot rows: WebAssembly has none of gather. */
export function lookUp(table: tf.Tensor, indices: tf.Tensor, depth: number, shape: number[]): tf.Tensor {
  const flat = tf.reshape(table, [depth, -1]);
  const taken = withGradient((value, save) => {
    save([indices]);
    return {
      value: tf.gather(value, tf.cast(tf.reshape(indices, [-1]), "int32")),
      gradFunc: (dy, saved) => product(rowsOf(saved[0] as tf.Tensor, depth), dy, true, false),
    };
  })(flat);
  return tf.reshape(taken, shape);
}
/** Each slice of x is added to the row of zeros that its number names. */
export function addRows(x: tf.Tensor, indices: tf.Tensor, count: number, shape: number[]): tf.Tensor {
  return tf.reshape(matMul(rowsOf(indices, count), tf.reshape(x, [indices.size, -1]), true, false), shape);
}
