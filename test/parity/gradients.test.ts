/** Gradients of the other networks against their authors' programs: reverse mode on the graph in float64, and TensorFlow.js. */
import { describe, expect, it } from "vitest";
import { resolveWeights } from "../../src/network/weights.js";
import type { TensorMap } from "../../src/runtime/contract.js";
import { compileSpec, example, fixture, graphGradients, relativeError, tensor, under } from "../support/build.js";
import { firstTokens, languageSizes, languageWeights } from "../support/language.js";
import { tfjsGradients } from "../support/tfjs.js";

interface Case {
  readonly name: string;
  readonly spec: string;
  readonly sizes: Readonly<Record<string, number>>;
  readonly weights: TensorMap;
  readonly gradients: TensorMap;
  readonly batch: TensorMap;
  readonly tolerance: number;
  /** Parameters whose gradient the fixture does not have in this form. */
  readonly without?: readonly string[];
}
const input = (tensors: TensorMap, names: Readonly<Record<string, string>>): TensorMap =>
  Object.fromEntries(Object.entries(names).map(([ours, theirs]) => [ours, tensor(tensors, `input/${theirs}`)]));

/** The attention of tost-causal alone, on a free input: its layer with neither normalisation nor residual. */
const causalAttention = `
network TSSA_causal {
  dim d = 32, K = 4, p = 8, n = 12
  index k in 1..K
  input X: real[d, n]
  target cotangent: real[d, n]
  var Z: real[d, n] = X
  layer tssa repeat 1 {
    param U[k]: real[d, p] alias "c_attn.weight" : "(k p) d"
    param c[k]: real[p]    alias "c_attn.bias" : "(k p)"
    param W[k]: real[d, p] alias "c_proj.weight" : "d (k p)"
    param b: real[d]       alias "c_proj.bias"
    param temp[k]: real    alias "temp" : "k"
    param place[k]: real[n] alias "denom_bias" : "k n"
    let V[k] = U[k]'*Z + c[k]*ones(n)'
    let share[k] = V[k].^2 ./ max(cumsum(V[k].^2), 1e-12)
    let member[k] = stop(softmax(temp[k]*(colsum(share[k]) + p*place[k]), over: k))
    let size[k] = cumsum(member[k], over: columns) + 1e-8
    let moment[k] = V[k].^2*diag(member[k])
    let moments[k] = stop(cumsum(moment[k]) - moment[k]) + moment[k]
    step compress {
      minimize 0.5*sum(k) total((ones(p)*size[k]') .* log(1 + moments[k] ./ (ones(p)*size[k]')))
      by gradient(rate: 1)
      using signed(U: U, W: W, b: b)
    }
  }
  output attention: real[d, n] = Z - X
  train { data synthetic gaussians(classes: 2)  loss total(attention .* cotangent)  optimizer sgd(rate: 1)  batch 2 epochs 1 }
}
lemma signed(U[k]: real[d, p], W[k]: real[d, p], b: real[d], X[k]: real[p, n], c: real):
  -sum(k) c*U[k]*X[k] ~ b*ones(n)' - sum(k) W[k]*X[k]`;
const visionAttention = example("tost-attention")
  .replace("var Z: real[d, n] = X", "target cotangent: real[d, n]\n  var Z: real[d, n] = X")
  .replace("output attention: real[d, n] = Z - X", `output attention: real[d, n] = Z - X
  train { data synthetic gaussians(classes: 2)  loss total(attention .* cotangent)  optimizer sgd(rate: 1)  batch 2 epochs 1 }`);

const [alpha, mae, vision, causal, language] = ["crate-alpha", "crate-mae", "tost-vision-attention", "tost-lang-attention", "tost-lang"].map((n) => fixture(n).tensors) as
  [TensorMap, TensorMap, TensorMap, TensorMap, TensorMap];
const cut = (t: TensorMap): TensorMap => ({ ...t, denom_bias: firstTokens(tensor(t, "denom_bias")) });
/** The loss of a batch is a mean over its samples; the fixture's is their sum. */
const halved = (t: TensorMap): TensorMap => Object.fromEntries(Object.entries(t).map(([k, v]) => [k, { shape: v.shape, data: Float64Array.from(v.data, (x) => x / 2) }]));
const cases: readonly Case[] = [
  {
    name: "crate-alpha", spec: example("crate-alpha").replace(/, smoothing: [\d.]+/, ""), sizes: { d: 32, K: 4, p: 8, L: 2, C: 10, H: 32, P: 8 }, tolerance: 1e-4,
    weights: under(alpha, "param/"), gradients: under(alpha, "grad64/"), batch: input(alpha, { image: "image", label: "label" }),
  },
  {
    name: "crate-mae", spec: example("crate-mae"), sizes: { d: 32, K: 4, p: 8, L: 2, H: 32, P: 8 }, tolerance: 2e-4,
    weights: under(mae, "param/"), gradients: under(mae, "grad64/"), batch: input(mae, { image: "image", mask: "mask" }),
  },
  {
    name: "tost-vision-attention", spec: visionAttention, sizes: {}, tolerance: 1e-4, weights: under(vision, "param/"), gradients: halved(under(vision, "grad64/")),
    batch: input(vision, { X: "x", cotangent: "cotangent" }),
  },
  {
    name: "tost-lang-attention", spec: causalAttention, sizes: {}, tolerance: 1e-4, weights: cut(under(causal, "param/")), gradients: halved(cut(under(causal, "grad64/"))),
    batch: input(causal, { X: "x", cotangent: "cotangent" }),
  },
  {
    name: "tost-lang", spec: example("tost-causal"), sizes: languageSizes, tolerance: 2e-4, weights: languageWeights(language), batch: input(language, { text: "tokens", next: "target" }),
    // The official model ties these two tables and gives one gradient for both.
    gradients: languageWeights(language, "grad64/"), without: ["Z.embedding.weight", "logits.linear.weight"],
  },
];

describe("gradients", () => {
  it.each(cases)("of $name are its authors', in float64 and in TensorFlow.js", async (c) => {
    const network = compileSpec(c.spec, c.sizes);
    const learned = network.unrolled.parameters.filter((p) => p.trainable && !c.without?.includes(p.name));
    const { values } = resolveWeights(learned, c.gradients);
    expect(Object.keys(values).length).toBe(learned.length);
    const exact = graphGradients(network, c.weights, c.batch);
    const [tfjs, optimised] = [await tfjsGradients(network, c.weights, c.batch), await tfjsGradients(network, c.weights, c.batch, 2)];
    for (const [name, wanted] of Object.entries(values)) {
      expect(relativeError(exact[name] ?? [], wanted.data), `${name}, float64`).toBeLessThan(1e-8);
      expect(relativeError(tfjs[name] ?? [], wanted.data), `${name}, TensorFlow.js`).toBeLessThan(c.tolerance);
      expect(relativeError(optimised[name] ?? [], wanted.data), `${name}, TensorFlow.js -O2`).toBeLessThan(c.tolerance);
    }
  });
});
