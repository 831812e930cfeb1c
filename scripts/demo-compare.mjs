/** The predictions of a package in TensorFlow.js beside those of an ONNX model in ONNX Runtime, on the test digits. */
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";

const best = (row) => row.indexOf(Math.max(...row));

export async function compare(packageUrl, weightsFile, onnxFile) {
  const { createEngine, evaluate, loadData, model, readSafetensors } = await import(packageUrl);
  const data = await loadData(model.training.data, { model, baseDirectory: ".", parameters: {} });
  const engine = await createEngine({ engine: "tfjs", resume: false, out: "run" });
  await engine.setParameters(readSafetensors(readFileSync(weightsFile), weightsFile));
  const session = await ort.InferenceSession.create(onnxFile);
  const batches = [];
  await evaluate(engine, model, data.test, 128, (batch, outputs) => { batches.push({ batch, logits: outputs.logits }); });
  const totals = { count: 0, packageRight: 0, onnxRight: 0, different: 0, largest: 0 };
  for (const { batch, logits } of batches) {
    const { image, label } = batch;
    const other = (await session.run({ image: new ort.Tensor("float32", image.data, image.shape) })).logits;
    const classes = logits.shape[1];
    for (let i = 0; i < label.data.length; i++) {
      const rows = [logits.data, other.data].map((d) => [...d.subarray(i * classes, (i + 1) * classes)]);
      const [a, b] = rows.map(best);
      totals.count += 1;
      totals.packageRight += a === label.data[i] ? 1 : 0;
      totals.onnxRight += b === label.data[i] ? 1 : 0;
      totals.different += a === b ? 0 : 1;
      totals.largest = Math.max(totals.largest, ...rows[0].map((x, c) => Math.abs(x - rows[1][c])));
    }
  }
  const description = engine.description.split(",")[0];
  engine.dispose();
  return { ...totals, engine: description, packageAccuracy: totals.packageRight / totals.count, onnxAccuracy: totals.onnxRight / totals.count };
}
