import { err, fixture } from "./scratch-lib.js";
import { parseExpression, parseHole } from "../src/quick-parse.js";
import { elaborateWithVariables } from "../src/semantics/expression-context.js";
import { Reporter } from "../src/diagnostics/declare.js";
import { gradient } from "../src/calculus/gradient.js";
import { showExpr } from "../src/expression/print.js";
import { evaluate } from "../src/numeric/evaluate.js";
const { t, j } = fixture("gradients");
let bad = 0;
for (const o of j.results.objectives) {
  const r = new Reporter();
  const holes = Object.entries(o.shapes as Record<string, string>).map(([n, s]) => parseHole(s === "scalar" ? `${n}: real` : s.includes(":") ? s : `${n}: ${s}`, "v").hole!);
  const c = elaborateWithVariables(parseExpression(o.srr, "e").expression, holes, new Map(Object.entries(o.indices as Record<string, number>)), new Map(), r);
  if (!c) { console.log(o.id, r.diagnostics.map((d) => d.message)); bad++; continue; }
  const wrt = c.variables.find((v) => v.name === o.with_respect_to)!;
  const g = gradient(c.expression, wrt);
  const env: any = { dims: () => NaN, lookup: (n: string, m: number) => {
    if (o.scalars[n] !== undefined) return { shape: [1, 1], data: Float64Array.of(o.scalars[n]) };
    const x = t[`input/${o.id}.${n}`]!; const v = c.variables.find((q) => q.name === n)!;
    const shape = v.shape.map((d) => Number(d.key)); const size = shape[0]! * shape[1]!;
    return { shape, data: Float64Array.from(x.data).subarray(((m ?? 1) - 1) * size, (m ?? 1) * size) }; } };
  const val = evaluate(c.expression, env).data[0]!;
  const members = wrt.index ? o.indices[wrt.index] : 1;
  const data = Array.from({ length: members }, (_, i) => [...evaluate(g, wrt.index ? { ...env, indices: new Map([[wrt.index, i + 1]]) } : env).data]).flat();
  console.log(o.id, (Math.abs(val - o.value) / Math.abs(o.value)).toExponential(1), err(data, t[`grad/${o.id}.${o.with_respect_to}`]!.data), showExpr(g).slice(0, 150));
}
