/** Images as columns of patches and back: axes split, put in order and merged; no entry is copied twice. */
import { type Dim, dimDivide, dimMultiply, dimNumber } from "../expression/dim.js";
import type { OptionValue } from "../expression/functions.js";
import type { Axis } from "./graph.js";
import { dropUnit, freshName, type LowerContext, type Lowered, materialise, NotLowerable } from "./lowered.js";

const standardOrder = "p1 p2 c";

function parts(axis: Axis | undefined, patch: Dim, names: readonly [string, string]): readonly Axis[] {
  const count = axis && dimDivide(axis.size, patch);
  if (!count) throw new NotLowerable("patches", "the image's sides must be known");
  return [{ name: names[0], size: count }, { name: names[1], size: patch }];
}
/** Image (c, H, W) → features × patches; patches in raster order, `order` says how a patch is read. */
export function lowerPatches(context: LowerContext, image: Lowered, size: Dim, order: OptionValue | undefined): Lowered {
  const b = context.builder;
  const taken = new Set(b.axes(image.node).map((a) => a.name));
  const name = (wanted: string): string => {
    const fresh = freshName(wanted, taken);
    taken.add(fresh);
    return fresh;
  };
  const unit = dimNumber(1);
  const [channel, height, width] = ["channel", "height", "width"].map((wanted, i) => image.roles[i] ?? { name: name(wanted), size: unit }) as [Axis, Axis, Axis];
  const whole = materialise(b, { node: image.node, roles: [channel, height, width] }).node;
  const names = { h: name("h"), p1: name("p1"), w: name("w"), p2: name("p2"), c: channel.name };
  const split = b.split(b.split(whole, height.name, parts(height, size, [names.h, names.p1])), width.name, parts(width, size, [names.w, names.p2]));
  const place = name("patches"), feature = name("features");
  const reading = (typeof order === "string" ? order : standardOrder).trim().split(/\s+/).map((p) => names[p as "p1" | "p2" | "c"]);
  const node = b.merge(b.merge(split, [names.h, names.w], place), reading, feature);
  const rows = dropUnit(b, node, b.axis(node, feature));
  const cols = dropUnit(b, rows.node, b.axis(rows.node, place));
  return { node: cols.node, roles: [rows.role, cols.role] };
}
/** Features × patches → image (c, H, W). */
export function lowerUnpatch(
  context: LowerContext, x: Lowered, size: Dim, order: OptionValue | undefined,
  image: { readonly channels: Dim; readonly height: Dim; readonly width: Dim },
): Lowered {
  const b = context.builder;
  const taken = new Set(b.axes(x.node).map((a) => a.name));
  const name = (wanted: string): string => {
    const fresh = freshName(wanted, taken);
    taken.add(fresh);
    return fresh;
  };
  const unit = dimNumber(1);
  const [feature, places] = ["features", "patches"].map((wanted, i) => x.roles[i] ?? { name: name(wanted), size: unit }) as [Axis, Axis];
  const whole = materialise(b, { node: x.node, roles: [feature, places] }).node;
  const names = { c: name("channel"), p1: name("p1"), p2: name("p2"), h: name("h"), w: name("w") };
  const sizes = { c: image.channels, p1: size, p2: size };
  const reading = (typeof order === "string" ? order : standardOrder).trim().split(/\s+/) as ("c" | "p1" | "p2")[];
  const [down, across] = [dimDivide(image.height, size), dimDivide(image.width, size)];
  if (!down || !across || dimMultiply(down, across).key !== places.size.key) throw new NotLowerable("unpatch", "the image's sides must be known");
  const open = b.split(b.split(whole, feature.name, reading.map((p) => ({ name: names[p], size: sizes[p] }))), places.name,
    [{ name: names.h, size: down }, { name: names.w, size: across }]);
  const [height, width] = [name("height"), name("width")];
  const node = b.merge(b.merge(open, [names.h, names.p1], height), [names.w, names.p2], width);
  return { node, roles: [b.axis(node, names.c), b.axis(node, height), b.axis(node, width)] };
}
