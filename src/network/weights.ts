/** How a network's parameters are stored in files: their shapes, and the names and axes of their aliases (language, section 10). */
import { dimValue } from "../expression/dim.js";
import type { ParameterAlias, TensorMap } from "../runtime/contract.js";
import { type ResolvedWeights, resolveStored, type StoredParameter } from "../runtime/weights.js";
import type { NetworkParameter } from "./network.js";

/** Sizes of the stored tensor: the family's first, then the declared ones. */
export function storedShape(p: NetworkParameter): readonly number[] {
  const own = p.shape.slice(0, p.rank).map((d) => dimValue(d) ?? 0);
  return p.family ? [p.family.size, ...own] : own;
}
/** An axis goes by its dim's name, where only one has it, and by its place; a family's first one by its index. */
function axisNames(p: NetworkParameter): readonly (readonly string[])[] {
  const own = p.shape.slice(0, p.rank).map((_, i) => {
    const name = p.axisNames[i];
    const clash = name === undefined || p.axisNames.filter((n) => n === name).length > 1 || name === p.family?.index;
    return clash ? [String(i + 1)] : [name, String(i + 1)];
  });
  return p.family ? [[p.family.index], ...own] : own;
}
export function stored(p: NetworkParameter): StoredParameter {
  const { name, alias } = p;
  const inFile: ParameterAlias | undefined = alias && { name: alias.name, ...(alias.axes === undefined ? {} : { axes: { pattern: alias.axes, names: axisNames(p) } }) };
  return { name, shape: storedShape(p), positive: p.positive, ...(inFile ? { alias: inFile } : {}) };
}
export const resolveWeights = (parameters: readonly NetworkParameter[], file: TensorMap): ResolvedWeights => resolveStored(parameters.map(stored), file);
