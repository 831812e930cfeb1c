/**
 * How does a training step drop entries, where the runtime draws no random numbers that a resumed run could draw again? By arithmetic:
 * each entry's place and the step's seed go through a hash modulo a prime, whose products stay exact in float64 and in int64.
 */
import type { GraphBuilder } from "../../tensor/builder.js";
import type { Axis, Graph } from "../../tensor/graph.js";
import { rewriteGraph } from "../../tensor/passes/rewrite.js";

/** The largest prime below 2²⁶. */
export const seedPrime = 67_108_859;
/** Primitive or at least large multipliers and shifts; nothing rests on their values but that no two dropouts share a shift. */
const [stretch, shift, spread] = [48_271, 1_013_904_223 % seedPrime, 2_654_435 % seedPrime];

const whole = (b: GraphBuilder, x: number): number => b.cast(b.fill(x), "int");
const modulo = (b: GraphBuilder, x: number): number => b.binary("remainder", x, whole(b, seedPrime));

/** Each entry's number, row-major over the axes, modulo the prime. */
function placeOf(b: GraphBuilder, axes: readonly Axis[]): number {
  return axes.reduce((before, axis) => {
    const size = b.cast(b.size(axis.size), "int");
    return modulo(b, b.binary("add", b.binary("multiply", before, size), b.iota(axis)));
  }, whole(b, 0));
}
/** Uniform on [0, 1), one number for each entry: an affine map, then two squarings, all modulo the prime. */
export function hashed(b: GraphBuilder, axes: readonly Axis[], seed: number, which: number): number {
  const own = whole(b, ((which + 1) * spread) % seedPrime);
  const start = modulo(b, b.binary("add", b.binary("multiply", placeOf(b, axes), whole(b, stretch)), b.binary("add", seed, own)));
  const squared = (x: number): number => modulo(b, b.binary("add", b.binary("multiply", x, x), whole(b, shift)));
  return b.binary("divide", b.cast(squared(squared(start)), "float"), b.fill(seedPrime));
}

/** The graph in which dropout is arithmetic on the input `seedName`, a whole number from 0 that counts modulo the prime; `drawn` says whether there was any. */
export function drawDropout(graph: Graph, seedName: string): { readonly graph: Graph; readonly drawn: boolean } {
  let seed: number | undefined;
  let count = 0;
  const drawn = rewriteGraph(graph, (node, { builder: b, of }) => {
    if (node.op !== "dropout") return undefined;
    seed ??= b.input(seedName, [], "int");
    const kept = b.binary("greater_equal", hashed(b, node.axes, seed, count++), b.fill(node.rate));
    return b.binary("multiply", of(node.x), b.binary("divide", kept, b.fill(1 - node.rate)));
  });
  return { graph: count > 0 ? drawn : graph, drawn: count > 0 };
}
