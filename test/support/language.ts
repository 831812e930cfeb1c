/** The small official ToST language model (fixture tost-lang) as our spec's sizes and weights. */
import type { HostTensor, TensorMap } from "../../src/runtime/contract.js";
import { tensor, under } from "./build.js";

export const languageSizes = { vocab: 20, d: 32, K: 4, p: 8, L: 2, n: 12 };
const tokens = 12, block = 16;
/** The first positions of a table [rows, block]. */
export function firstTokens(t: HostTensor): HostTensor {
  const rows = t.data.length / block;
  return { shape: [rows, tokens], data: Float64Array.from({ length: rows * tokens }, (_, i) => t.data[Math.floor(i / tokens) * block + (i % tokens)] as number) };
}
/** Tables of positions are longer than the fixture's text; their first rows are used. */
export function languageWeights(tensors: TensorMap, prefix = "param/"): TensorMap {
  const weights: Record<string, HostTensor> = { ...under(tensors, prefix) };
  const places = "transformer.wpe.weight";
  weights[places] = { shape: [tokens, 32], data: tensor(weights, places).data.slice(0, tokens * 32) };
  for (const layer of [0, 1]) {
    const name = `transformer.h.${layer}.attn.denom_bias`;
    weights[name] = firstTokens(tensor(weights, name));
  }
  return weights;
}
