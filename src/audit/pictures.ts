/** What a layer looks like on one sample: attention maps (any softmax over tokens in an update), tokens, subspaces. */
import { contains, type Expr, freeIndices, symbolsOf } from "../expression/expr.js";
import { showExpr } from "../expression/print.js";
import { dimValue } from "../expression/dim.js";
import type { DerivedNetwork } from "../network/derived.js";
import type { UnrolledNetwork } from "../network/network.js";
import { cols, rows, type Value } from "../numeric/matrix.js";
import type { TensorMap } from "../runtime/contract.js";
import { coherence, ratedTokens } from "./measures.js";
import { type Occurrence, occurrences } from "./occurrences.js";
import { type NetworkRun, runNetwork, sampleOf } from "./run-network.js";

export interface AttentionMap {
  readonly place: string;
  /** Which member of the family, from 1; 0 where there is none. */
  readonly member: number;
  readonly text: string;
  /** One weight for each token that is looked at: of the first token's column where it stands for the whole, else the mean of all. */
  readonly weights: readonly number[];
  /** Rows and columns of patches, where the last tokens are patches of an image. */
  readonly grid?: readonly [number, number];
}
export interface TokenPicture { readonly place: string; readonly value: Value }
export interface SubspacePicture { readonly place: string; readonly of: string; readonly mean: number; readonly largest: number; readonly gram: Value }
export interface ImagePicture { readonly name: string; readonly rows: number; readonly cols: number; readonly values: readonly number[] }
export interface Pictures {
  readonly images: readonly ImagePicture[];
  readonly attention: readonly AttentionMap[];
  readonly tokens: readonly TokenPicture[];
  readonly subspaces: readonly SubspacePicture[];
}

/** Softmax nodes whose value is square in the tokens: one weight for each pair. */
function attentions(update: Expr, tokenAxis: string | undefined): readonly Expr[] {
  const found = new Map<number, Expr>();
  contains(update, (x) => {
    if (x.kind === "apply" && x.fn === "softmax" && x.shape.every((d) => d.key === tokenAxis)) found.set(x.id, x);
    return false;
  });
  return [...found.values()];
}
/** How many rows and columns of patches some statement cuts an image into. */
function patchGrid(network: UnrolledNetwork): readonly [number, number] | undefined {
  for (const s of network.statements) {
    let grid: readonly [number, number] | undefined;
    contains(s.value, (x) => {
      const size = x.kind === "apply" && x.fn === "patches" ? x.options["size"] : undefined;
      const [image] = x.kind === "apply" ? x.args : [];
      if (typeof size === "object" && image) {
        const number = (d: Parameters<typeof dimValue>[0]): number => dimValue(d) ?? network.dims.get(d.key) ?? Number.NaN;
        const [h, w] = [image.shape.at(-2), image.shape.at(-1)];
        if (h && w) grid = [number(h) / number(size), number(w) / number(size)];
      }
      return false;
    });
    if (grid?.every((n) => Number.isInteger(n) && n > 0)) return grid;
  }
  return undefined;
}
function attentionMaps(o: Occurrence, run: NetworkRun, network: UnrolledNetwork, grid: readonly [number, number] | undefined): readonly AttentionMap[] {
  const axis = o.derivation.variable.shape[1]?.key;
  const at = new Map([[o.step.variable, run.values.get(o.start) ?? []]]);
  if (o.step.over || axis === undefined) return [];
  return attentions(o.derivation.update, axis).flatMap((e) => {
    const [index] = freeIndices(e);
    const count = index === undefined ? 1 : (network.indices.get(index) ?? 1);
    return Array.from({ length: count }, (_, i): AttentionMap => {
      const map = run.evaluateAt(o.spread(e), o.statement, at, index === undefined ? undefined : new Map([[index, i + 1]]));
      const n = rows(map);
      const extra = grid ? n - grid[0] * grid[1] : 0;
      const column = (j: number): number[] => Array.from({ length: n }, (_, r) => map.data[r * cols(map) + j] as number);
      // A token that is no patch stands for the whole image; without one all queries count alike.
      const weights = extra > 0 ? column(0) : Array.from({ length: n }, (_, r) => column(0).map((_, j) => map.data[r * cols(map) + j] as number).reduce((a, b) => a + b, 0) / n);
      return { place: o.place, member: index === undefined ? 0 : i + 1, text: showExpr(e), weights: weights.slice(Math.max(0, extra)), ...(grid && extra >= 0 ? { grid } : {}) };
    });
  });
}
function subspacesOf(o: Occurrence, run: NetworkRun, network: UnrolledNetwork): readonly SubspacePicture[] {
  const axis = o.derivation.variable.shape[1]?.key;
  const projected = axis === undefined ? [] : ratedTokens(o.spread(o.step.objective), axis);
  const families = new Map(projected.flatMap(symbolsOf).filter((s) => s.role === "param" && s.member?.kind === "variable").map((s) => [s.name, s]));
  return [...families.values()].flatMap((s): readonly SubspacePicture[] => {
    const count = s.member?.kind === "variable" ? (network.indices.get(s.member.name) ?? 1) : 1;
    const members = (run.values.get(o.statement.names.get(s.name) ?? s.name) ?? []).slice(0, count);
    return members.length > 1 ? [{ place: o.place, of: s.name, ...coherence(members) }] : [];
  });
}
function imagesOf(network: UnrolledNetwork, batch: TensorMap, sample: number): readonly ImagePicture[] {
  return network.inputs.flatMap(({ name, type }): readonly ImagePicture[] => {
    const t = batch[name];
    if (!t || type.shape.length !== 3) return [];
    const { shape, data } = sampleOf(t, sample);
    const [channels = 1, h = 1, w = 1] = shape;
    const grey = Array.from({ length: h * w }, (_, p) => Array.from({ length: channels }, (_, c) => data[c * h * w + p] as number).reduce((a, b) => a + b, 0) / channels);
    return [{ name, rows: h, cols: w, values: grey }];
  });
}
export function picturesOf(subject: DerivedNetwork, weights: TensorMap, batch: TensorMap, sample: number, construct: boolean): Pictures {
  const { unrolled } = subject;
  const run = runNetwork(unrolled, weights, batch, sample, construct);
  const places = occurrences(subject.typed, unrolled, subject.derivations);
  const grid = patchGrid(unrolled);
  return {
    images: unrolled.batchDim === undefined ? imagesOf(unrolled, batch, sample) : [],
    attention: places.flatMap((o) => attentionMaps(o, run, unrolled, grid)),
    tokens: places.flatMap((o) => { const [v] = run.values.get(o.statement.target) ?? []; return v && v.shape.length === 2 && cols(v) > 1 ? [{ place: o.place, value: v }] : []; }),
    subspaces: places.flatMap((o) => subspacesOf(o, run, unrolled)),
  };
}
