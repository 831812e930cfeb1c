/** With which commands of the compiler is this network made again? */
import { join } from "node:path";
import type { ModelDescription } from "./contract.js";

/** As a shell reads it back. */
const word = (text: string): string => (/^[\w./=:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** The spec, and what chooses this network of it: `crate.srr --preset mnist --set d=16`. `folder`: the way to where the spec stands. */
export function specWords({ source, preset }: Pick<ModelDescription, "source" | "preset">, folder = ""): string {
  if (!source) return "SPEC";
  const { file, network, settings } = source;
  return [
    folder === "" ? file : join(folder, file), ...(network === undefined ? [] : ["--network", network]), ...(preset === undefined ? [] : ["--preset", preset]),
    ...Object.entries(settings).flatMap(([name, value]) => ["--set", `${name}=${value}`]),
  ].map(word).join(" ");
}
/** Makes an ONNX model of a file of weights. */
export const modelCommand = (model: Pick<ModelDescription, "source" | "preset">, weights: string, folder = ""): string =>
  `crate-compile build ${specWords(model, folder)} --target onnx --weights ${word(weights)} --out model.onnx`;
/** Builds a network with captures from its data. */
export const constructCommand = (model: Pick<ModelDescription, "source" | "preset">, out: string): string => `crate-compile construct ${specWords(model)} --out ${word(out)}`;
