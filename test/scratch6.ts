// redunet construction + lasso fixtures, float64 through graph
import { compileText, err, fixture, spec } from "./scratch-lib.js";
import { lowerNetwork } from "../src/tensor/lower.js";
import { evaluateGraph } from "../src/tensor/evaluate-graph.js";
for (const [c, J] of [["redunet-gaussian2d", 2], ["redunet-gaussian2d-3class", 3]] as const) {
  const { t } = fixture(c);
  const net = compileText(spec("redunet"), { J });
  const g = lowerNetwork(net.unrolled, { construct: true, probe: true });
  const t0 = Date.now();
  const r = evaluateGraph(g, { inputs: { x: { shape: t["input/X_train"]!.shape, data: Float64Array.from(t["input/X_train"]!.data) }, label: { shape: t["input/y_train"]!.shape, data: Float64Array.from(t["input/y_train"]!.data) } }, parameters: {} } as any);
  console.log(c, Date.now() - t0, "ms");
  for (const l of [1, 2, 10, 50]) console.log(l, err(r.get(`flow.${l}.expand`)!.data, t[`output/train.layer${l}`]!.data));
  for (const l of [1, 10, 50]) console.log("E", err(r.get(`flow.${l}.E`)!.data, t[`output/E.layer${l}`]!.data), "C", err(r.get(`flow.${l}.C`)!.data, t[`output/C.layer${l}`]!.data));
}
