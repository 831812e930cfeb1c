/** The data sources by name. */
import type { PlainCall } from "../contract.js";
import { DataError } from "../safetensors.js";
import type { DataSet, SourceContext } from "./dataset.js";
import { cifar10, idx, images, mnist } from "./images.js";
import { gaussians, sparseCodes, text } from "./other.js";
import { tensors } from "./tensors.js";

interface Source {
  readonly load: (call: PlainCall, context: SourceContext) => DataSet | Promise<DataSet>;
  /** A file or folder, or nothing (in a spec perhaps options). */
  readonly takesPath: boolean;
}
const sources: Readonly<Record<string, Source>> = {
  mnist: { load: mnist, takesPath: false }, idx: { load: idx, takesPath: true }, cifar10: { load: cifar10, takesPath: true }, images: { load: images, takesPath: true },
  text: { load: text, takesPath: true }, tensors: { load: tensors, takesPath: true }, sparse_codes: { load: sparseCodes, takesPath: false }, gaussians: { load: gaussians, takesPath: false },
};
/** Does `--data` name a source here, or a file? */
export const namesSource = (text: string): boolean => Object.hasOwn(sources, text.split(":", 1)[0] ?? "");
function sourceOf(name: string): Source {
  const source = Object.hasOwn(sources, name) ? sources[name] : undefined;
  if (!source) throw new DataError(`there is no data source ${name}; there are ${Object.keys(sources).join(", ")}`);
  return source;
}

export async function loadData(call: PlainCall, context: SourceContext): Promise<DataSet> {
  if (call.name === "none") throw new DataError("the train block names no data; add a data clause, or name some with --data");
  return sourceOf(call.name).load(call, context);
}
/** `--data idx:DIR`, `images:DIR`, `cifar10:DIR`, `text:FILE`, `tensors:PATH`, `mnist`; a DataError for what is none of them. */
export function parseDataOption(text: string): PlainCall {
  const at = text.indexOf(":");
  const name = at < 0 ? text : text.slice(0, at);
  const path = text.slice(name.length + 1);
  const { takesPath } = sourceOf(name);
  // Nothing is no path: it would be the working folder.
  if (takesPath && path.trim() === "") throw new DataError(`data ${name} needs a path: ${name}:PATH`);
  if (!takesPath && at >= 0) throw new DataError(`data ${name} takes no path: say ${name} alone`);
  return { name, positional: takesPath ? [path] : [], named: {} };
}
