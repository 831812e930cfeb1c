/** Pixels as a PNG, without a library: stored, not deflated, which serves the small pictures of a report. */

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});
function crc(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const b of bytes) c = (table[(c ^ b) & 255] as number) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
function adler(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (const x of bytes) { a = (a + x) % 65521; b = (b + a) % 65521; }
  return ((b << 16) | a) >>> 0;
}
const word = (n: number): readonly number[] => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Uint8Array.from([...[...type].map((c) => c.charCodeAt(0)), ...data]);
  return Uint8Array.from([...word(data.length), ...body, ...word(crc(body))]);
}
const largestBlock = 65535;
/** zlib's frame around stored blocks. */
function stored(raw: Uint8Array): Uint8Array {
  const blocks: number[] = [0x78, 0x01];
  for (let at = 0; at < raw.length || at === 0; at += largestBlock) {
    const part = raw.subarray(at, at + largestBlock);
    const last = at + largestBlock >= raw.length ? 1 : 0;
    blocks.push(last, part.length & 255, part.length >> 8, ~part.length & 255, (~part.length >> 8) & 255, ...part);
  }
  return Uint8Array.from([...blocks, ...word(adler(raw))]);
}
/** `rgb`: three bytes a pixel, row by row. */
export function png(width: number, height: number, rgb: Uint8Array): Uint8Array {
  const raw = new Uint8Array(height * (3 * width + 1));
  for (let y = 0; y < height; y++) raw.set(rgb.subarray(y * 3 * width, (y + 1) * 3 * width), y * (3 * width + 1) + 1);
  const header = Uint8Array.from([...word(width), ...word(height), 8, 2, 0, 0, 0]);
  return Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, ...chunk("IHDR", header), ...chunk("IDAT", stored(raw)), ...chunk("IEND", new Uint8Array())]);
}
export function pngDataUri(width: number, height: number, rgb: Uint8Array): string {
  let text = "";
  for (const b of png(width, height, rgb)) text += String.fromCharCode(b);
  return `data:image/png;base64,${btoa(text)}`;
}

// ---------------------------------------------------------------- colours
export type Colour = readonly [number, number, number];
/** Five stations of viridis, which keeps its order in print and for the colour-blind. */
const viridis: readonly Colour[] = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const diverging: readonly Colour[] = [[33, 102, 172], [146, 197, 222], [247, 247, 247], [244, 165, 130], [178, 24, 43]];
function between(stations: readonly Colour[], t: number): Colour {
  const at = Math.min(1, Math.max(0, Number.isFinite(t) ? t : 0)) * (stations.length - 1);
  const i = Math.min(stations.length - 2, Math.floor(at));
  const [a, b] = [stations[i] as Colour, stations[i + 1] as Colour];
  const mix = (k: 0 | 1 | 2): number => Math.round(a[k] + (b[k] - a[k]) * (at - i));
  return [mix(0), mix(1), mix(2)];
}
/** From 0 to 1. */
export const heat = (t: number): Colour => between(viridis, t);
/** From −1 to 1, white in the middle. */
export const signedHeat = (t: number): Colour => between(diverging, (t + 1) / 2);
