/** The audit's page, figures and table. */
import { inflateSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { auditNetwork } from "../../src/audit/audit.js";
import { auditColumns, auditRows, csv } from "../../src/audit/csv.js";
import { auditFigures, type Figure, upsampled } from "../../src/audit/figures.js";
import { picturesOf } from "../../src/audit/pictures.js";
import { lineChart, ticks } from "../../src/audit/plot.js";
import { png } from "../../src/audit/png.js";
import { reportHtml } from "../../src/audit/report.js";
import { resolveWeights } from "../../src/network/weights.js";
import { compileSpec, example, fixture, tensor, under } from "../support/build.js";
import { markupFaults, requests } from "../support/markup.js";

const { tensors } = fixture("crate-classifier");
const network = compileSpec(example("crate"), { d: 32, K: 4, p: 8, L: 3, C: 10, H: 28, P: 7, channels: 1 });
const { values } = resolveWeights(network.unrolled.parameters, under(tensors, "param/"));
const batch = { image: tensor(tensors, "input/image") };
const name = "</title><script>alert(1)</script>.safetensors";

describe("the audit's report", () => {
  let figures: readonly Figure[] = [];
  let page = "";
  beforeAll(() => {
    const runs = [{ name: "start", audit: auditNetwork(network, { weights: values, batch, samples: 2 }) }, { name, audit: auditNetwork(network, { weights: values, batch, samples: 2 }) }];
    const sampled = runs.map((r) => ({ weights: r.name, sample: 0, pictures: picturesOf(network, values, batch, 0, false) }));
    figures = auditFigures(runs, sampled);
    page = reportHtml({ network: "CRATE", file: "crate.srr", data: "mnist", samples: 2, runs, figures, compiler: "test" });
  });
  it("is one well-formed file that fetches nothing, whatever the weights are called", () => {
    expect(markupFaults(page)).toEqual([]);
    expect(requests(page)).toEqual([]);
    expect(page).not.toContain("<script");
  });
  it("has the papers' figures, found by structure and not by name", () => {
    const ids = figures.map((f) => f.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ["coding-rate-block-compress-u-k-z", "non-zeros-block-sparsify", "objective-sparse-rate-reduction", "change-block-compress", "lemma-errors-block-compress", "coherence"]) expect(ids).toContain(id);
    expect(ids.some((id) => id.startsWith("attention-"))).toBe(true);
    expect(ids.some((id) => id.startsWith("tokens-"))).toBe(true);
    for (const f of figures) expect(markupFaults(f.svg)).toEqual([]);
  });
  it("shows attention for every layer and head, whose weights sum to one", () => {
    const { attention } = picturesOf(network, values, batch, 0, false);
    expect(attention).toHaveLength(3 * 4);
    for (const a of attention) {
      expect(a.grid).toEqual([4, 4]);
      expect(a.weights).toHaveLength(16);
      // The class token looks at itself too.
      const sum = a.weights.reduce((x, y) => x + y, 0);
      expect(sum).toBeGreaterThan(0);
      expect(sum).toBeLessThan(1);
    }
  });
  it("gives a table that a spreadsheet reads as numbers and text, and never as a formula", () => {
    const audit = auditNetwork(network, { weights: values, batch, samples: 1 });
    const lines = csv(auditColumns, auditRows('=cmd|" /C calc"!A0', audit)).trim().split("\n");
    expect(lines.length).toBeGreaterThan(50);
    expect(lines[0]).toBe(auditColumns.join(","));
    expect(lines[1]?.startsWith("\"'=cmd|")).toBe(true);
  });
});
describe("the parts of figures", () => {
  it("are pictures that decoders accept", () => {
    const bytes = png(2, 2, Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9]));
    const at = Buffer.from(bytes).indexOf("IDAT");
    const length = Buffer.from(bytes).readUInt32BE(at - 4);
    expect([...inflateSync(Buffer.from(bytes).subarray(at + 4, at + 4 + length))]).toEqual([0, 255, 0, 0, 0, 255, 0, 0, 0, 0, 255, 9, 9, 9]);
  });
  it("survive values that are not finite, one place, and no series", () => {
    for (const values of [[Number.NaN, Number.POSITIVE_INFINITY], [1], [], [0, 0, 0]]) {
      const svg = lineChart({ title: "<t>", x: values.map(String), xLabel: "x", yLabel: "y", series: [{ name: "&", values }] });
      expect(markupFaults(svg)).toEqual([]);
      expect(svg).not.toMatch(/NaN \d|Infinity \d|"NaN"/);
    }
    expect(ticks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  });
  it("keep the mean of a map that is sampled up", () => {
    const up = upsampled([1, 2, 3, 4], [2, 2], 8, 8);
    expect(up.reduce((a, b) => a + b, 0) / up.length).toBeCloseTo(2.5, 10);
  });
});
