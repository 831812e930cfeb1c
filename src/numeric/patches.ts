/** Images as matrices of patches and back. Patches follow each other in raster order; `order` says how a patch is read, its last name varying fastest. */
import type { Value } from "./matrix.js";

const standardOrder = "p1 p2 c";
type PlaceName = "p1" | "p2" | "c";

function readOrder(order: string): readonly PlaceName[] {
  const names = order.trim().split(/\s+/);
  if ([...names].sort().join(" ") !== "c p1 p2") throw new RangeError(`a patch's order "${order}" is not one of c, p1, p2`);
  return names as PlaceName[];
}

/** For each entry of the matrix of patches, row by row, its place in the image (channels × height × width). */
function places(channels: number, height: number, width: number, size: number, order: string): Int32Array {
  const names = readOrder(order);
  const sizes = { p1: size, p2: size, c: channels };
  const [down, across] = [height / size, width / size];
  if (!Number.isInteger(down) || !Number.isInteger(across)) throw new RangeError(`patches of ${size} in an image of ${height}×${width}`);
  const features = channels * size * size;
  const result = new Int32Array(features * down * across);
  for (let f = 0; f < features; f++) {
    const at = { p1: 0, p2: 0, c: 0 };
    let rest = f;
    for (const name of [...names].reverse()) {
      at[name] = rest % sizes[name];
      rest = Math.floor(rest / sizes[name]);
    }
    for (let y = 0; y < down; y++) {
      for (let x = 0; x < across; x++) {
        result[(f * down + y) * across + x] = (at.c * height + y * size + at.p1) * width + x * size + at.p2;
      }
    }
  }
  return result;
}

/** channels×height×width → (channels·size²)×(patches). */
export function patchesValue(image: Value, size: number, order: string = standardOrder): Value {
  const [channels = 0, height = 0, width = 0] = image.shape;
  const from = places(channels, height, width, size, order);
  const features = channels * size * size;
  return { shape: [features, from.length / features], data: Float64Array.from(from, (place) => image.data[place]!) };
}
/** The image that has these patches. */
export function unpatchValue(patches: Value, size: number, image: readonly [channels: number, height: number, width: number], order: string = standardOrder): Value {
  const to = places(...image, size, order);
  const data = new Float64Array(to.length);
  to.forEach((place, i) => { data[place] = patches.data[i]!; });
  return { shape: image, data };
}
