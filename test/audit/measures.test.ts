/** Coding rates and sparsity by the authors' definition, on their own tokens and from images (fixture crate-measures). */
import { describe, expect, it } from "vitest";
import { auditNetwork } from "../../src/audit/audit.js";
import { coherence, gini, measuredRate, nonZeroShare } from "../../src/audit/measures.js";
import { resolveWeights } from "../../src/network/weights.js";
import { fromWire, sampleOf } from "../../src/audit/run-network.js";
import { matrix, sliceValue } from "../../src/numeric/matrix.js";
import { compileSpec, example, fixture, tensor, under } from "../support/build.js";

const { tensors, results } = fixture("crate-measures");
const matrixType = { kind: "real", rank: 2 };

describe("measures as the authors take them", () => {
  it.each([1, 2, 3])("gives the authors' rate for each sample and head of layer %i", (layer) => {
    const projected = tensor(tensors, `input64/layer${layer}.qkv`);
    const wanted = tensor(tensors, `output64/layer${layer}.rc_per_sample_and_head`);
    for (let sample = 0; sample < 4; sample++) {
      const part = sampleOf(projected, sample);
      const all = fromWire(matrixType, part.shape, part.data);
      for (let head = 0; head < 4; head++) {
        const rate = measuredRate(sliceValue(all, head * 8, head * 8 + 8, 0, 17));
        const theirs = wanted.data[sample * 4 + head] as number;
        expect(Math.abs(rate - theirs) / theirs).toBeLessThan(1e-10);
      }
    }
  });
  it("finds their rates and sparsity in the network, from images and weights", () => {
    const classifier = fixture("crate-classifier");
    const network = compileSpec(example("crate"), { d: 32, K: 4, p: 8, L: 3, C: 10, H: 28, P: 7, channels: 1 });
    const { values } = resolveWeights(network.unrolled.parameters, under(classifier.tensors, "param/"));
    const audit = auditNetwork(network, { weights: values, batch: { image: tensor(classifier.tensors, "input/image") }, samples: 4 });
    for (const wanted of results.per_layer_f64) {
      const rate = audit.steps.find((s) => s.place === `block.${wanted.layer}.compress`)?.rates[0];
      expect(Math.abs((rate?.mean ?? 0) - wanted.coding_rate_mean) / wanted.coding_rate_mean).toBeLessThan(1e-5);
      expect(Math.abs((rate?.std ?? 0) - wanted.coding_rate_std)).toBeLessThan(1e-5 * wanted.coding_rate_mean);
      const density = audit.steps.find((s) => s.place === `block.${wanted.layer}.sparsify`)?.density.after ?? 0;
      // Two of 4·17·32 entries may fall to the other side of zero when all is computed anew from the images.
      expect(Math.abs(density - wanted.nonzero_fraction_mean)).toBeLessThanOrEqual(2 / (4 * 17 * 32));
    }
  });
  it("counts non-zeros and inequality", () => {
    expect(nonZeroShare([matrix([[0, 1], [2, 0]])])).toBe(0.5);
    expect(gini([matrix([[1, 1, 1, 1]])])).toBeCloseTo(0, 12);
    expect(gini([matrix([[0, 0, 0, 1]])])).toBeCloseTo(0.75, 12);
  });
  it("finds no coherence between orthogonal subspaces and full coherence of one with itself", () => {
    const [a, b] = [matrix([[1, 0], [0, 1], [0, 0], [0, 0]]), matrix([[0, 0], [0, 0], [1, 0], [0, 1]])];
    expect(coherence([a, b])).toMatchObject({ mean: 0, largest: 0 });
    expect(coherence([a, a]).largest).toBeCloseTo(1, 12);
  });
});
