import { readFileSync, statSync } from "node:fs";
import { readOnnx } from "../../emit/onnx/inspect.js";
import { freeSizeNames, sampleAxis } from "../../network/size-names.js";
import { storedShape } from "../../network/weights.js";
import { readSafetensors } from "../../runtime/safetensors.js";
import { costValue, graphCost } from "../../tensor/cost.js";
import { showDim } from "../../expression/dim.js";
import { graphOf } from "../../targets.js";
import { refusing, UserFault } from "../faults.js";
import { worldFault } from "../host.js";
import { result } from "../report.js";
import { chooseNetwork, compileFile, type SpecOptions } from "../session.js";

interface InspectOptions extends SpecOptions {
  readonly cost?: boolean;
}
const table = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((r) => (r[i] ?? "").length)));
  return rows.map((r) => r.map((c, i) => c.padEnd(widths[i] ?? 0)).join("  ").trimEnd()).join("\n");
};
const show = (value: object, json: boolean | undefined, text: () => string): void => result(json ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`);

/** A safetensors header is JSON behind its length, of which the upper half is 0; a model begins with its IR version. */
function kindOf(bytes: Uint8Array, file: string): "tensors" | "model" {
  if (bytes[8] === 0x7b && bytes.subarray(4, 8).every((b) => b === 0)) return "tensors";
  if (bytes[0] === 0x08) return "model";
  // What is neither is read as what its name says, to tell what is wrong with it.
  return file.endsWith(".safetensors") ? "tensors" : "model";
}
export async function inspect(file: string, options: InspectOptions): Promise<void> {
  if (file.endsWith(".srr") || file === "-") return inspectSpec(file, options);
  let bytes: Uint8Array;
  try {
    if (statSync(file).isDirectory()) throw new UserFault(`${file} is a folder; name a model, weights or spec`);
    bytes = readFileSync(file);
  } catch (error) {
    throw worldFault(error, `cannot read ${file}`);
  }
  if (kindOf(bytes, file) === "tensors") {
    const tensors = Object.entries(readSafetensors(bytes, file)).map(([name, t]) => ({ name, shape: t.shape, type: t.data.constructor.name.replace("Array", ""), entries: t.data.length }));
    return show({ tensors }, options.json, () => table([["tensor", "type", "shape"], ...tensors.map((t) => [t.name, t.type, `[${t.shape.join(", ")}]`])]));
  }
  let model: ReturnType<typeof readOnnx>;
  try {
    model = readOnnx(bytes);
  } catch (error) {
    throw new UserFault(`${file}: ${error instanceof Error ? error.message : "not an ONNX model"}`);
  }
  show(model, options.json, () => [
    `${model.name}: opset ${model.opset}, IR ${model.irVersion}, ${model.producer}`,
    `${model.nodes} nodes, ${model.initializers.length} initializers, ${model.parameters.toLocaleString("en-US")} parameters`, "",
    table([["", "name", "type", "shape"],
      ...model.inputs.map((w) => ["input", w.name, w.type, `[${w.shape.join(", ")}]`]),
      ...model.outputs.map((w) => ["output", w.name, w.type, `[${w.shape.join(", ")}]`])]), "",
    table(Object.entries(model.operators).map(([name, count]) => [name, String(count)])), "",
    ...Object.entries(model.metadata).map(([k, v]) => `${k}: ${v.length > 100 ? `${v.slice(0, 100).replaceAll("\n", " ")}…` : v}`),
  ].join("\n"));
}
async function inspectSpec(file: string, options: InspectOptions): Promise<void> {
  const { compilation } = compileFile(file, options);
  const network = chooseNetwork(compilation, file, options.network);
  const parameters = network.unrolled.parameters.map((p) => ({
    name: p.name, shape: storedShape(p), trainable: p.trainable, init: p.init.kind, ...(p.alias ? { alias: p.alias.name } : {}),
  }));
  const count = (ps: readonly { shape: readonly number[] }[]): number => ps.reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0);
  const learned = count(parameters.filter((p) => p.trainable));
  const sizes = Object.fromEntries([sampleAxis, ...freeSizeNames(network.unrolled)].map((name) => [name, 1]));
  const costs = options.cost ? await refusing(compilation.sources, () => graphCost(graphOf(network, {}))) : undefined;
  const steps = costs && [...costs.places].map(([place, cost]) => ({ place: place || "outside of steps", flops: showDim(cost.flops), bytes: showDim(cost.bytes), ...at(cost) }));
  function at(cost: Parameters<typeof costValue>[0]): { flopsAtOne: number; bytesAtOne: number } {
    const n = costValue(cost, sizes);
    return { flopsAtOne: n.flops, bytesAtOne: n.bytes };
  }
  const value = { network: network.typed.name, learned, all: count(parameters), parameters, ...(steps ? { steps, total: costs && at(costs.total) } : {}) };
  show(value, options.json, () => [
    `${network.typed.name}: ${learned.toLocaleString("en-US")} learned parameters, ${count(parameters).toLocaleString("en-US")} in all`, "",
    table([["parameter", "shape", "learned", "init"], ...parameters.map((p) => [p.name, `[${p.shape.join(", ")}]`, p.trainable ? "yes" : "no", p.init])]),
    ...(steps ? ["", table([["step", "FLOPs", "at batch 1", "bytes at batch 1"], ...steps.map((s) => [s.place, s.flops, s.flopsAtOne.toLocaleString("en-US"), s.bytesAtOne.toLocaleString("en-US")])])] : []),
  ].join("\n"));
}
