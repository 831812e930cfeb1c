/** What was measured, as JSON and as tables for people. */
import type { Timing } from "./measure.js";
import type { TorchResult } from "./torch.js";

export interface Result {
  readonly what: "compile" | "inference" | "training step";
  readonly network: string;
  readonly engine: string;
  readonly batch?: number;
  readonly threads?: number;
  readonly timings: readonly Timing[];
}
export interface Scaling {
  readonly attention: string;
  readonly points: readonly { readonly size: number; readonly ms: number }[];
  readonly slope: number;
}
export interface Report {
  /** Against PyTorch, where a Python with it was given. */
  readonly torch?: readonly TorchResult[];
  readonly machine: Readonly<Record<string, string | number>>;
  readonly rounds: number;
  readonly results: readonly Result[];
  readonly scaling: readonly Scaling[];
}
/** The report with parts measured anew in place of the old ones. */
export function merged(old: Report, fresh: Report): Report {
  const replaced = <T>(before: readonly T[], now: readonly T[], key: (x: T) => string): readonly T[] => {
    const found = new Map(now.map((x) => [key(x), x]));
    const known = new Set(before.map(key));
    return [...before.map((x) => found.get(key(x)) ?? x), ...now.filter((x) => !known.has(key(x)))];
  };
  const torch = replaced(old.torch ?? [], fresh.torch ?? [], (r) => [r.what, r.network, r.batch, r.threads].join());
  return {
    ...fresh, machine: { ...old.machine, ...fresh.machine },
    results: replaced(old.results, fresh.results, (r) => [r.what, r.network, r.engine, r.batch, r.threads].join()),
    scaling: replaced(old.scaling, fresh.scaling, (s) => s.attention), ...(torch.length > 0 ? { torch } : {}),
  };
}
const ms = (x: number): string => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const notes = `## What was measured, and what was chosen

- **Opset.** The default stays 18, which every ONNX Runtime since 1.14 reads. \`--opset 23\` (ONNX Runtime 1.23 and later) writes attention as
  one operator with q = k = v: 1 to 4 per cent of an inference of CRATE tiny for one sample. For eight samples heads in turn are 4 to 8 per cent
  faster than it. ToST has no such attention.
- **Heads in turn.** Scores of all heads, [batch, head, n, n], are several times as large as a processor's own cache; formed for one head after the
  other they stay in it, with softmax and gradient. Split and Concat take the place of the two turns of heads. CRATE tiny at batch 8: inference 1.05
  to 1.06 times faster, a training step 1.05 to 1.08; at batch 64 an inference takes 403 MB instead of 583. Sample by sample (a Scan) is as fast on one
  thread, slower on two, and no graphics processor would run it well. Half of the heads at a time gains nothing; n = 50 loses for one sample: so from
  32,768 scores a head on.
- **Names of free sizes.** Values on the way say their rank and known sizes, but free sizes bear no names. By names ONNX Runtime plans beforehand
  which buffers of one size follow each other, and takes what has gone cold; without them what was freed last. Inference of CRATE tiny at batch 8
  1.03 to 1.05 times faster, training steps of digits 1.03 to 1.07, of CRATE tiny 1.01. Graphs of more than 6,000 values (a training step of CRATE-large)
  keep the names: without them ONNX Runtime takes 16 s instead of 4 to load one.
- **Parameters' products** (M = I + η(D' − D'D), scaled matrices, permuted patch weights) stand in the model as nodes of parameters alone, so
  that its initializers bear the spec's names; ONNX Runtime computes them once, when it loads the model. A training step computes them once.
- **Orders of axes.** On two threads a transpose that moves single entries takes 4 to 10 times as long as one that keeps rows whole (128 × 4
  heads of 50 × 32: 1.1 to 2.4 ms against 0.25), so heads are [batch, head, token, feature] throughout, and a product takes its left operand
  turned (a third slower) before anything of n × n is moved. A training step of CRATE on digits: 1.3 times faster on two threads.
- **Batched products** have one leading axis ([batch·heads, n, p]): ONNX Runtime merges a head's two transposes into one that moves single
  entries, unless a view stands between them; then the second becomes a flag of the product. 5 per cent of a training step, 2 to 6 of an inference.
- **Symmetry of attention's gradient.** With q = k = v, dS V + dS'V is (dS + dS')V: one product less, a turn and a sum of n × n more, and no
  product with a turned left operand. A training step of CRATE tiny (n = 197, p = 64) is 1.04 times faster on one thread, 1.01 to 1.02 on two.
  With p = 32 and n = 50 it gains on one thread and loses on two, where ONNX Runtime turns many small matrices slowly: taken from some 100
  operations saved for each entry turned on. Likewise D G' + D G is D(G + G') in the gradient of M (M is kept as I + η(D' − D'D) for it).
  The row sums of the softmax's gradient are those of dO∘O, which stands (a sum over p features instead of n tokens).
- **Order of a training step.** ONNX Runtime runs a graph from its ends backwards, the last end first, and fused nodes count as last. So updates stand
  in the network's order, vectors of each layer together and taken apart by Split nodes (slices would be fused into such): every layer's weight
  gradients are formed and used up before the layer below begins. Weight gradients 1.05 times faster; some 20 MB fewer mapped anew each step.
- **ReLU's gradient** is Greater, Cast, Mul: exact. Where takes 1.2 to 2 times as long, Sign 1.8 to 4 times,
  and Clip of a multiple the same, which is not exact for tiny numbers.
- **Gemm with C** and Gemm followed by Add take the same time within 1 per cent on one thread; on two the separate Add wins by up to 15.
- **Gemm with a transposed left operand** (weight gradients) turns it anew for every 128 columns. One Transpose before it makes a training step of
  CRATE tiny 1.03 to 1.09 times faster, of CRATE on digits 1.02 to 1.04; it stands between Unsqueeze and Squeeze, or ONNX Runtime fuses it back.
  Not where a sample's tokens are a multiple of 8: with rows that start at multiples of 4,096 bytes a turn is slow (1,024 × 256: half as fast in all).
  Batched products of n × n stay as they are: turned first, digits are 0.97 and 0.85 times as fast.
- **Sums over rows** (a bias's gradient: [batch·n, d] to [d]) are products with a row of ones: half the time of ReduceSum on two threads,
  four fifths on one. A training step of CRATE on digits: 1.04 times faster on two threads, 1.02 on one; of CRATE tiny 1.02 and 1.01.
- **Biases and ReLU.** Where a ReLU follows, Gemm takes its bias along, and ONNX Runtime makes one kernel of them: an inference of CRATE tiny is 1.01 times
  faster on one thread, as fast on two; a training step of digits 1.03 and 1.01 (its gradient asks the ReLU's value, not what came before it).
  Other biases in Gemm, or scale and shift left in LayerNormalization: within 1 per cent either way.
- **Node.** The binding copies every output of a run into a new buffer, also where a tensor to write into was given: some 20 ms a step for the
  66 MB of CRATE tiny's parameters and moments. The rest of a step takes as long as in Python.
- **Two speeds on two threads.** Minutes apart the same step of CRATE tiny takes 430 or 530 ms, an inference for one sample 17 or 26, in every process
  alike. In the slow minutes a word goes from one thread to another and back in 320 to 370 ns instead of 55 to 90, while each thread multiplies as fast
  as ever (116 GFLOP/s): the two virtual processors then lie on cores without a common cache. What one thread reads of what the other has written
  takes three to five times as long (a turn of n × n, a Sub, a Cast), and heads in turn gain nothing. The line above says what this run saw.
- **What bounds it.** CRATE tiny as its authors multiply takes 6 products of d² and their like a token and layer, after the passes 4: 1.6 times
  fewer operations with the last layer's dead tokens. Inference spends nine tenths of its time in products that run at the processor's speed.
  More than 1.6 comes from what is not a product, so the ratio grows where products are fast beside memory.
- **PyTorch on AMD.** Its MKL multiplies at half speed on AMD processors; where the machine above is one, the library was told to take its fast path
  (a preloaded \`mkl_serv_intel_cpu_true\` that says yes). Without it PyTorch's training steps take 1.1 to 1.3 times as long.
- **authors' operators** is the authors' forward pass written by hand as torch.onnx writes it, with the same weights (logits equal to 2e-6);
  its linear layers are MatMul and Add, its ISTA three products. PyTorch's own exports are in the table against PyTorch.
`;

/** How many times faster than PyTorch as it is, compiled, and its exports in the same ONNX Runtime. */
function torchTable(results: readonly TorchResult[]): readonly string[] {
  const by = (r: TorchResult, base: string, own: Timing): string => {
    const other = r.timings.find((t) => t.variant === base);
    return other ? (other.median / own.median).toFixed(2) : "";
  };
  const bases = ["torch eager", "torch compiled", "torch.onnx (dynamo)", "torch.onnx (trace)"];
  const lines = results.flatMap((r) => r.timings.map((t) => row([
    r.what, r.network, String(r.batch), String(r.threads), t.variant, ms(t.median), ...bases.map((b) => (t.variant.startsWith("-O") ? by(r, b, t) : "")),
    (r.megabytes[t.variant] ?? 0) > 0 ? r.megabytes[t.variant]?.toFixed(0) ?? "" : "", t.variant === "-O2" ? r.nodeByPython?.toFixed(2) ?? "" : "",
  ])));
  return [
    "## Against PyTorch", "",
    "`npm run bench -- --torch PYTHON`: the network written in PyTorch, as it is (eager), compiled (`torch.compile`) and exported by its two",
    "exporters; the exports and the compiler's graphs run in Python's ONNX Runtime, all in one process, in turn. Four columns divide PyTorch's",
    "medians by this variant's. MB is what a process of its own took beyond the libraries; the last column is this graph's step in Node",
    "by its step in Python, the two processes in turn, by blocks of rounds.", "",
    row(["what", "network", "batch", "threads", "variant", "median ms", "eager ÷", "compiled ÷", "dynamo export ÷", "traced export ÷", "MB", "Node ÷ Python"]),
    row(Array.from({ length: 12 }, () => "---")), ...lines, "",
  ];
}

export function markdown(report: Report): string {
  const lines = report.results.flatMap((r) => r.timings.map((t) => row([
    r.what, r.network, r.engine, String(r.batch ?? ""), String(r.threads ?? ""), t.variant, ms(t.median), `${ms(t.p10)}–${ms(t.p90)}`, t.speedup.toFixed(2), t.cpuSpeedup?.toFixed(2) ?? "",
  ])));
  const sizes = report.scaling[0]?.points.map((p) => p.size) ?? [];
  return [
    "# Performance", "",
    "Written by `npm run bench`. Variants of a row group run in turn, in one process; times are medians with the 10th and 90th of a",
    "hundred, in milliseconds. The two last columns divide the first variant's time by this one's, round by round, and take the median:",
    "by the clock, and by processor time, which a busy machine disturbs less. Ratios hold on other machines; times do not.", "",
    ...Object.entries(report.machine).map(([k, v]) => `- ${k}: ${v}`), `- rounds: ${report.rounds}`, "",
    row(["what", "network", "engine", "batch", "threads", "variant", "median ms", "10–90 %", "speed-up", "by CPU time"]),
    row(["---", "---", "---", "---", "---", "---", "---", "---", "---", "---"]), ...lines, "",
    ...(report.scaling.length === 0 ? [] : [
      "## One attention step over the count of tokens", "",
      "The slope of log time over log count: 2 is quadratic, 1 is linear.", "",
      row(["attention", ...sizes.map(String), "slope"]), row(["---", ...sizes.map(() => "---"), "---"]),
      ...report.scaling.map((s) => row([s.attention, ...s.points.map((p) => ms(p.ms)), s.slope.toFixed(2)])), "",
    ]),
    ...(report.torch ? torchTable(report.torch) : []),
    notes,
  ].join("\n");
}
