/** Is an ONNX model well built? What the official checker looks at first, in the project's own words. */
import onnxProto from "onnx-proto";

/** Everything that is wrong: names given twice, values used before they are made, values without type or shape, ends with axes that have neither size nor name. */
export function modelFaults(bytes: Uint8Array): readonly string[] {
  const model = onnxProto.onnx.ModelProto.decode(bytes);
  const graph = model.graph;
  if (!graph) return ["no graph"];
  const faults: string[] = [];
  const known = new Set<string>();
  const make = (name: string): void => {
    if (name === "" || known.has(name)) faults.push(`value ${name} is made twice or has no name`);
    known.add(name);
  };
  const described = new Map([...(graph.input ?? []), ...(graph.output ?? []), ...(graph.valueInfo ?? [])].map((v) => [v.name ?? "", v]));
  for (const v of [...(graph.input ?? []), ...(graph.initializer ?? [])]) make(v.name ?? "");
  const names = new Set<string>();
  for (const node of graph.node ?? []) {
    if (!node.name || names.has(node.name)) faults.push(`node ${node.name} has no name of its own`);
    names.add(node.name ?? "");
    for (const x of node.input ?? []) if (x !== "" && !known.has(x)) faults.push(`${node.name} reads ${x}, which is not made before`);
    for (const x of node.output ?? []) {
      make(x);
      if (!described.get(x)?.type?.tensorType?.elemType) faults.push(`${x} has no type`);
    }
  }
  for (const v of described.values()) if (!v.type?.tensorType?.shape) faults.push(`${v.name} has no shape`);
  // Free sizes on the way bear no names: `innerInfos` says why.
  for (const v of [...(graph.input ?? []), ...(graph.output ?? [])]) {
    for (const d of v.type?.tensorType?.shape?.dim ?? []) if (!d.dimParam && !Object.hasOwn(d, "dimValue")) faults.push(`${v.name} has an axis without a size`);
  }
  for (const o of graph.output ?? []) if (!known.has(o.name ?? "")) faults.push(`output ${o.name} is not made`);
  for (const i of graph.initializer ?? []) if (!(graph.node ?? []).some((n) => n.input?.includes(i.name ?? ""))) faults.push(`${i.name} is not read`);
  const keys = model.metadataProps.map((p) => p.key);
  if (new Set(keys).size < keys.length) faults.push("metadata keys are not unique");
  return faults;
}
