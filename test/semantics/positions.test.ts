/** Fixed positions: what stands where. */
import { describe, expect, it } from "vitest";
import { describe as describeModel } from "../../src/network/describe.js";
import { compileSpec } from "../support/build.js";

const spec = (clauses: string): ReturnType<typeof compileSpec> => compileSpec(`network N { dim d = 8, n = 5 input x: real[d, n] ${clauses} }`);
function tables(clauses: string): Record<string, (i: number, t: number) => number> {
  const model = describeModel(spec(clauses).unrolled, { compiler: "test", specHash: "", seed: 1 });
  return Object.fromEntries(model.parameters.map((p) => [p.name, (i, t) => (p.init.kind === "value" ? (p.init.data[i * 5 + t] as number) : Number.NaN)]));
}

describe("positions of a sequence", () => {
  it("are sines in the first half of the features, cosines in the second, from place 0", () => {
    const { "z.sincos.table": function_, pos, slow } = tables("param pos: real[d, n] fixed init sincos param slow: real[d, n] fixed init sincos(base: 100) output z: real[d, n] = x + pos + slow |> add(sincos(d, n))");
    for (const [table, base] of [[function_, 10000], [pos, 10000], [slow, 100]] as const) {
      for (let t = 0; t < 5; t++) for (let i = 0; i < 4; i++) {
        expect(table?.(i, t)).toBeCloseTo(Math.sin(t / base ** (i / 4)), 12);
        expect(table?.(4 + i, t)).toBeCloseTo(Math.cos(t / base ** (i / 4)), 12);
      }
    }
  });
  it("are not learned", () => {
    const { parameters } = spec("output z: real[d, n] = x |> add(sincos(d, n))").unrolled;
    expect(parameters.map((p) => [p.name, p.trainable])).toEqual([["z.sincos.table", false]]);
  });
});
describe("positions of patches", () => {
  it("code the column in the first half of the features, the row in the second; the class token's column is 0", () => {
    const { pos } = tables("param pos: real[d, n] fixed init sincos2d(class_token: true) output z: real[d, n] = x + pos");
    for (let i = 0; i < 8; i++) expect(pos?.(i, 0)).toBe(0);
    for (let t = 0; t < 4; t++) for (let i = 0; i < 2; i++) {
      const [column, row] = [t % 2, Math.floor(t / 2)];
      expect([0, 2, 4, 6].map((k) => pos?.(k + i, 1 + t))).toEqual([Math.sin(column * 0.01 ** i), Math.cos(column * 0.01 ** i), Math.sin(row * 0.01 ** i), Math.cos(row * 0.01 ** i)]);
    }
  });
});
