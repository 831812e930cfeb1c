/** A training run to be killed: scripts/kill.ts starts it. Goes on from the checkpoint of its folder where there is one. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createTfjsEngine } from "../src/runtime/tfjs/engine.js";
import { train } from "../src/runtime/train.js";
import { compileSpec } from "../test/support/build.js";
import { backend, modelOf } from "../test/support/tfjs.js";
import { smallSpec, trainingOf } from "../test/support/training.js";

const [, , out = "", epochs = "20", runtime = "ort"] = process.argv;
const { engine: ort, model, data } = await trainingOf(smallSpec());
const engine = runtime === "tfjs" ? await createTfjsEngine(model, await modelOf(compileSpec(smallSpec())), await backend()) : ort;
let stop = false;
process.on("SIGINT", () => { stop = true; });
const resume = existsSync(join(out, "last.safetensors"));
process.stdout.write(`${resume ? "resumed" : "begun"}\n`);
const step = engine.trainStep.bind(engine);
engine.trainStep = async (...args) => { const result = await step(...args); process.stdout.write("s\n"); return result; };
await train(engine, model, data, { out, epochs: Number(epochs), resume, checkpointEvery: 0 }, { say: (text) => process.stderr.write(`${text}\n`), interrupted: () => stop });
engine.dispose();
process.stdout.write("done\n");
