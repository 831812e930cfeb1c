/** The figures of an audit, each a title, a caption and an SVG: what the papers plot, for any network. */
import type { Audit, StepAudit } from "./audit.js";
import { stageLabel } from "./audit-text.js";
import type { Pictures } from "./pictures.js";
import { lineChart, type Series, type Tile, tileChart } from "./plot.js";
import { cols, rows, type Value } from "../numeric/matrix.js";

export interface AuditedWeights {
  /** `initial values`, `epoch-10.safetensors`. */
  readonly name: string;
  readonly audit: Audit;
}
export interface SampledPictures {
  readonly weights: string;
  readonly sample: number;
  readonly pictures: Pictures;
}
export interface Figure {
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly svg: string;
}

/** Steps of one name in all copies of their layer. */
interface Group {
  readonly key: string;
  readonly x: readonly string[];
  readonly steps: (audit: Audit) => readonly StepAudit[];
}
function groupsOf(audit: Audit): readonly Group[] {
  const key = (s: StepAudit): string => (s.layer === undefined ? s.step : `${s.layer}.${s.step}`);
  return [...new Set(audit.steps.map(key))].map((k) => {
    const steps = (a: Audit): readonly StepAudit[] => a.steps.filter((s) => key(s) === k);
    return { key: k, steps, x: steps(audit).map((s) => String(s.copy ?? 1)) };
  });
}
/** `block.3.compress` as `3 compress`: what tells places apart where there is little room. */
const shortPlace = (place: string): string => place.replace(/^[^.]+\.(\d+)\./, "$1 ");
const fileName = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "figure";

function rateFigures(runs: readonly AuditedWeights[], groups: readonly Group[]): readonly Figure[] {
  return groups.flatMap((g) => {
    const [first] = runs;
    const names = [...new Set((first ? g.steps(first.audit) : []).flatMap((s) => s.rates.map((r) => r.of)))];
    return names.map((of): Figure => {
      const series = runs.map((run): Series => {
        const found = g.steps(run.audit).map((s) => s.rates.find((r) => r.of === of));
        return { name: run.name, values: found.map((r) => r?.mean ?? Number.NaN), spread: found.map((r) => r?.std ?? 0) };
      });
      const title = `Coding rate of ${of} where ${g.key} is taken`;
      return {
        id: fileName(`coding-rate-${g.key}-${of}`), title,
        caption: "½ log det(I + p/(nε) XᵀX) of tokens of unit norm, ε = 0.01, summed over the subspaces, as the authors of CRATE measure it (figures 3 and 4). Mean over the samples; the band is their standard deviation.",
        svg: lineChart({ title, x: g.x, xLabel: "layer", yLabel: "nats", series }),
      };
    });
  });
}
function densityFigures(runs: readonly AuditedWeights[], groups: readonly Group[]): readonly Figure[] {
  return groups.map((g): Figure => {
    const title = `Non-zeros after ${g.key}`;
    return {
      id: fileName(`non-zeros-${g.key}`), title, caption: "Share of the variable's entries that are not zero after the step as built.",
      svg: lineChart({ title, x: g.x, xLabel: "layer", yLabel: "share of non-zeros", series: runs.map((run) => ({ name: run.name, values: g.steps(run.audit).map((s) => s.density.after) })) }),
    };
  });
}
function objectiveFigures(runs: readonly AuditedWeights[]): readonly Figure[] {
  const names = [...new Set(runs.flatMap((r) => r.audit.steps.flatMap((s) => Object.keys(s.stages.at(-1)?.objectives ?? {}))))];
  return names.map((name): Figure => {
    const title = `${name} through the network`;
    const steps = runs[0]?.audit.steps.filter((s) => s.stages.at(-1)?.objectives[name]) ?? [];
    return {
      id: fileName(`objective-${name}`), title, caption: "The network's objective after every step as built; each layer measures with its own parameters.",
      svg: lineChart({ title, x: steps.map((s) => (s.copy === undefined ? s.place : `${s.copy} ${s.step}`)), xLabel: "step", yLabel: "value",
        series: runs.map((r) => ({ name: r.name, values: r.audit.steps.flatMap((s) => { const c = s.stages.at(-1)?.objectives[name]; return c ? [c.after] : []; }) })) }),
    };
  });
}
function stageFigures(run: AuditedWeights, groups: readonly Group[]): readonly Figure[] {
  return groups.flatMap((g): readonly Figure[] => {
    const steps = g.steps(run.audit);
    const stages = steps[0]?.stages ?? [];
    const series = stages.map((stage, i): Series => ({ name: stageLabel(stage), dashed: stage.kind === "lemma", values: steps.map((s) => s.stages[i]?.own.change ?? Number.NaN) }));
    const title = `Change of the objective of ${g.key}`;
    const change: Figure = {
      id: fileName(`change-${g.key}`), title,
      caption: `${run.name}. By the exact step, after each lemma in turn, and in the network as built; ${steps[0]?.sense === "maximize" ? "above" : "below"} zero is what the step claims.`,
      svg: lineChart({ title, x: g.x, xLabel: "layer", yLabel: "change", series, mark: { at: 0, label: "no change" } }),
    };
    const lemmas = stages.flatMap((stage, i) => (stage.lemma ? [{ name: stage.name, i }] : []));
    if (lemmas.length === 0) return [change];
    const errorTitle = `Error of each lemma in ${g.key}`;
    return [change, {
      id: fileName(`lemma-errors-${g.key}`), title: errorTitle, caption: `${run.name}. ‖exact − approximate‖ / ‖exact‖ of what each lemma replaced, on these tokens.`,
      svg: lineChart({ title: errorTitle, x: g.x, xLabel: "layer", yLabel: "relative error", logarithmic: true, series: lemmas.map(({ name, i }) => ({ name, values: steps.map((s) => s.stages[i]?.lemma?.error ?? Number.NaN) })) }),
    }];
  });
}

// ---------------------------------------------------------------- pictures
const crop = 50;
function cropped(v: Value, label: string): Tile {
  const [r, c] = [Math.min(crop, rows(v)), Math.min(crop, cols(v))];
  return { label, rows: r, cols: c, scale: "signed", values: Array.from({ length: r * c }, (_, e) => v.data[Math.floor(e / c) * cols(v) + (e % c)] as number) };
}
const mostPixels = 96;
/** A large matrix as block means of absolute values. */
function shrunk(v: Value, label: string): Tile {
  const [r, c] = [Math.min(mostPixels, rows(v)), Math.min(mostPixels, cols(v))];
  const values = Array.from({ length: r * c }, (_, e) => {
    const [i, j] = [Math.floor(e / c), e % c];
    let [sum, count] = [0, 0];
    for (let a = Math.floor((i * rows(v)) / r); a < ((i + 1) * rows(v)) / r; a++) for (let b = Math.floor((j * cols(v)) / c); b < ((j + 1) * cols(v)) / c; b++) { sum += Math.abs(v.data[a * cols(v) + b] as number); count += 1; }
    return sum / Math.max(1, count);
  });
  return { label, rows: r, cols: c, scale: "heat", values };
}
/** Each patch's weight on its pixels, bilinear between the middles of patches: the up-sampling that coarse maps are shown with. */
export function upsampled(weights: readonly number[], grid: readonly [number, number], height: number, width: number): number[] {
  const [gh, gw] = grid;
  const place = (p: number, size: number, count: number): readonly [number, number, number] => {
    const at = Math.min(count - 1, Math.max(0, ((p + 0.5) * count) / size - 0.5));
    const low = Math.floor(at);
    return [low, Math.min(count - 1, low + 1), at - low];
  };
  return Array.from({ length: height * width }, (_, e) => {
    const [a, b, t] = place(Math.floor(e / width), height, gh);
    const [c, d, s] = place(e % width, width, gw);
    const w = (i: number, j: number): number => weights[i * gw + j] as number;
    return (1 - t) * ((1 - s) * w(a, c) + s * w(a, d)) + t * ((1 - s) * w(b, c) + s * w(b, d));
  });
}
const largestSide = 112;
function attentionFigures(sampled: readonly SampledPictures[]): readonly Figure[] {
  return sampled.flatMap(({ weights, sample, pictures }): readonly Figure[] => {
    const [image] = pictures.images;
    const maps = pictures.attention.filter((m) => m.grid);
    if (maps.length === 0) return [];
    const [h, w] = image ? [Math.min(largestSide, image.rows), Math.min(largestSide, image.cols)] : [largestSide, largestSide];
    const tiles = maps.map((m): Tile => ({ label: `${shortPlace(m.place).replace(/ .*/, "")}${m.member > 0 ? ` · ${m.member}` : ""}`, rows: h, cols: w, scale: "heat", values: upsampled(m.weights, m.grid as readonly [number, number], h, w) }));
    const first: Tile[] = image && image.rows <= largestSide && image.cols <= largestSide ? [{ label: `input ${image.name}`, rows: image.rows, cols: image.cols, scale: "grey", values: image.values }] : [];
    const title = `Attention over sample ${sample + 1}`;
    return [{
      id: fileName(`attention-${weights}-${sample + 1}`), title: `${title}, ${weights}`,
      caption: `Every softmax over tokens that the derivation holds, at the token that is no patch (where there is none, the mean over all), for each layer · member of its family; bilinear between patches. ${maps[0]?.text ?? ""}`,
      svg: tileChart(title, [...first, ...tiles], 5, 90),
    }];
  });
}
function tokenFigures({ weights, pictures }: SampledPictures): readonly Figure[] {
  if (pictures.tokens.length === 0) return [];
  const title = "Tokens after every step";
  return [{ id: fileName(`tokens-${weights}`), title: `${title}, ${weights}`, caption: `Features down, tokens across, the first ${crop} of each; white is zero.`, svg: tileChart(title, pictures.tokens.map((t) => cropped(t.value, shortPlace(t.place))), 5, 90) }];
}
function subspaceFigures(sampled: readonly SampledPictures[]): readonly Figure[] {
  const shown = sampled.filter((s) => s.pictures.subspaces.length > 0);
  const [first] = shown;
  const last = shown.at(-1);
  if (!first || !last) return [];
  const places = first.pictures.subspaces.map((s) => `${s.place} ${s.of}`);
  return [
    { id: "coherence", title: "Coherence of the subspaces", caption: "Mean absolute cosine between columns of different members; 0 where the subspaces are orthogonal (CRATE, figure 7).",
      svg: lineChart({ title: "Coherence of the subspaces", x: first.pictures.subspaces.map((s, i) => s.place.match(/\.(\d+)\./)?.[1] ?? String(i + 1)), xLabel: "layer", yLabel: "mean |cosine|",
        series: shown.map((s) => ({ name: s.weights, values: places.map((p) => s.pictures.subspaces.find((x) => `${x.place} ${x.of}` === p)?.mean ?? Number.NaN) })) }) },
    ...(last.pictures.subspaces.length === 0 ? [] : [{ id: fileName(`subspaces-${last.weights}`), title: `UᵀU of each layer, ${last.weights}`, caption: "Blocks on the diagonal are the members themselves; what is bright beside them overlaps.",
      svg: tileChart("UᵀU, absolute values", last.pictures.subspaces.map((s) => shrunk(s.gram, `${shortPlace(s.place)} ${s.of}`)), 4, 130) }]),
  ];
}

/** `sampled`: pictures of one or more samples; of several weights, the last has its tokens shown. */
export function auditFigures(runs: readonly AuditedWeights[], sampled: readonly SampledPictures[]): readonly Figure[] {
  const last = runs.at(-1);
  const [first] = runs;
  if (!first || !last) return [];
  const groups = groupsOf(first.audit);
  const firstSamples = sampled.filter((s) => s.sample === sampled[0]?.sample);
  const lastPictures = firstSamples.at(-1);
  const all = [
    ...rateFigures(runs, groups), ...densityFigures(runs, groups), ...objectiveFigures(runs), ...stageFigures(last, groups),
    ...attentionFigures(sampled.filter((s) => s.weights === last.name)), ...(lastPictures ? tokenFigures(lastPictures) : []), ...subspaceFigures(firstSamples),
  ];
  // Two names may come to one file: the later gets a number.
  const seen = new Map<string, number>();
  return all.map((f) => {
    const n = (seen.get(f.id) ?? 0) + 1;
    seen.set(f.id, n);
    return n === 1 ? f : { ...f, id: `${f.id}-${n}` };
  });
}
