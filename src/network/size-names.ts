/** What are sizes that stay free called in graphs and on the wire? As in the spec, but that a dim called like the axis of samples makes way. */
import { freeName } from "../runtime/wire-names.js";
import type { UnrolledNetwork } from "./network.js";

export const sampleAxis = "batch";
type Sized = Pick<UnrolledNetwork, "dims" | "freeDims" | "batchDim">;

export function sizeName(dim: string, network: Sized): string {
  if (dim === network.batchDim) return sampleAxis;
  return dim === sampleAxis ? freeName(`${dim}_`, (name) => network.dims.has(name) || network.freeDims.includes(name)) : dim;
}
export const freeSizeNames = (network: Sized): readonly string[] => network.freeDims.map((d) => sizeName(d, network));
