/** Pictures of digits: rows of images in one SVG, each embedded as PNG. */
import sharp from "sharp";
import type { HostTensor } from "../../src/runtime/contract.js";
import { prepare } from "../../src/runtime/prepare.js";
import { Random } from "../../src/runtime/random.js";
import type { Trained } from "./run.js";

const columns = 10, scale = 2;

async function png(pixels: ArrayLike<number>, side: number): Promise<string> {
  const bytes = Uint8Array.from(pixels, (x) => Math.max(0, Math.min(255, Math.round(255 * x))));
  const data = await sharp(bytes, { raw: { width: side, height: side, channels: 1 } }).png().toBuffer();
  return `data:image/png;base64,${data.toString("base64")}`;
}
async function sheet(rows: readonly { readonly name: string; readonly images: readonly ArrayLike<number>[] }[], side: number): Promise<string> {
  const [cell, left] = [side * scale + 4, 90];
  const parts: string[] = [];
  for (const [r, row] of rows.entries()) {
    parts.push(`<text x="4" y="${r * cell + cell / 2 + 4}">${row.name}</text>`);
    for (const [i, image] of row.images.entries()) {
      parts.push(`<image x="${left + i * cell}" y="${r * cell + 2}" width="${side * scale}" height="${side * scale}" style="image-rendering:pixelated" href="${await png(image, side)}"/>`);
    }
  }
  const [width, height] = [left + columns * cell, rows.length * cell + 4];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>\n`;
}
/** Ten test digits, one of each, and what the network takes and gives for them. */
async function digits({ data, engine, description }: Trained) {
  const step = Math.floor(data.test.size / columns);
  const raw = data.test.batch(Array.from({ length: columns }, (_, i) => i * step + 3));
  const random = Random.named(7, "pictures");
  const batch = prepare(raw, description, undefined, () => random);
  const { outputs } = await engine.evaluate(batch);
  const [, , side = 28] = (batch["image"] as HostTensor).shape;
  const rows = (t: HostTensor | undefined): ArrayLike<number>[] => {
    const size = (t?.data.length ?? 0) / columns;
    return Array.from({ length: columns }, (_, i) => Array.from((t?.data ?? []).slice(i * size, (i + 1) * size)));
  };
  return { batch, outputs, side, rows };
}
export async function denoisingPicture(session: Trained): Promise<string> {
  const { batch, outputs, side, rows } = await digits(session);
  return sheet([{ name: "original", images: rows(batch["image"]) }, { name: "noisy", images: rows(outputs["noisy"]) }, { name: "denoised", images: rows(outputs["clean"]) }], side);
}
/** Patches in the order (p1 p2), one after the other, back in an image. */
function fromPatches(patches: ArrayLike<number>, side: number, size: number): Float64Array {
  const across = side / size;
  const image = new Float64Array(side * side);
  for (let t = 0; t < across * across; t++) for (let e = 0; e < size * size; e++) {
    const [y, x] = [Math.floor(t / across) * size + Math.floor(e / size), (t % across) * size + (e % size)];
    image[y * side + x] = patches[t * size * size + e] as number;
  }
  return image;
}
export async function completionPicture(session: Trained): Promise<string> {
  const { batch, outputs, side, rows } = await digits(session);
  const [images, masks] = [rows(batch["image"]), rows(batch["mask"])];
  const size = side / Math.sqrt(masks[0]?.length ?? 1);
  const predicted = rows(outputs["patches_out"]).map((p) => fromPatches(p, side, size));
  const hidden = (i: number, at: number): boolean => {
    const [y, x] = [Math.floor(at / side), at % side];
    return (masks[i]?.[Math.floor(y / size) * (side / size) + Math.floor(x / size)] ?? 0) > 0.5;
  };
  const mixed = (other: (i: number, at: number) => number): number[][] => images.map((image, i) => Array.from(image, (v, at) => (hidden(i, at) ? other(i, at) : v)));
  return sheet([
    { name: "original", images }, { name: "masked", images: mixed(() => 0.5) },
    { name: "completed", images: mixed((i, at) => predicted[i]?.[at] ?? 0) },
  ], side);
}
