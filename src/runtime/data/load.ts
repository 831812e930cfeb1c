/** The data sources by name. */
import type { PlainCall } from "../contract.js";
import { DataError } from "../safetensors.js";
import type { DataSet, SourceContext } from "./dataset.js";
import { cifar10, idx, images, mnist } from "./images.js";
import { gaussians, sparseCodes, text } from "./other.js";
import { tensors } from "./tensors.js";

type Source = (call: PlainCall, context: SourceContext) => DataSet | Promise<DataSet>;
const sources: Readonly<Record<string, Source>> = { mnist, idx, cifar10, images, text, tensors, sparse_codes: sparseCodes, gaussians };

export async function loadData(call: PlainCall, context: SourceContext): Promise<DataSet> {
  if (call.name === "none") throw new DataError("the train block names no data; add a data clause, or name some with --data");
  const source = Object.hasOwn(sources, call.name) ? sources[call.name] : undefined;
  if (!source) throw new DataError(`there is no data source ${call.name}; there are ${Object.keys(sources).join(", ")}`);
  return source(call, context);
}
/** `--data idx:DIR`, `images:DIR`, `cifar10:DIR`, `text:FILE`, `tensors:PATH`, `mnist`. */
export function parseDataOption(text: string): PlainCall {
  const at = text.indexOf(":");
  const name = at < 0 ? text : text.slice(0, at);
  return { name, positional: at < 0 ? [] : [text.slice(at + 1)], named: {} };
}
