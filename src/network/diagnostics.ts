/** What can be wrong between a derived step and a network that runs. */
import { declare } from "../diagnostics/declare.js";

export const targetLeft = declare<{ name: string; what: string; where: string }>({
  code: "SRR4001", severity: "error",
  message: (p) => `${p.name} is known while the network is constructed or trained only, and ${p.what} needs it: ${p.where}`,
  hint: () => "leave it to the loss, metrics and captures, or replace the part that needs it by a lemma",
});
export const batchMixed = declare<{ what: string; part: string }>({
  code: "SRR4002", severity: "error",
  message: (p) => `${p.what} mixes samples of a batch outside of captures: ${p.part}`,
  hint: () => "capture that part in a step, so that the network runs on single samples",
});
export const freeParameterAxis = declare<{ parameter: string; dim: string }>({
  code: "SRR4003", severity: "error",
  message: (p) => `parameter ${p.parameter} has an axis of unknown size ${p.dim}`,
  hint: (p) => `give the dim a value, or --set ${p.dim}=…`,
});
export const thenRequired = declare<{ step: string; inner: string; shape: string; variable: string; wanted: string }>({
  code: "SRR4004", severity: "error",
  message: (p) => `step ${p.step} gives ${p.inner}: ${p.shape}, which cannot become ${p.variable}: ${p.wanted}`,
  hint: (p) => `say what ${p.variable} becomes: then ${p.variable} + D*${p.inner}`,
});
export const whenUndecided = declare<{ step: string }>({
  code: "SRR4005", severity: "error",
  message: (p) => `when ${p.step} is taken cannot be decided while compiling`,
  hint: () => "use numbers, dims, consts and `layer` only",
});
export const unresolvedInit = declare<{ parameter: string }>({
  code: "SRR4006", severity: "error",
  message: (p) => `the initial value of ${p.parameter} cannot be computed while compiling`,
  hint: () => "from(…) takes numbers, dims, consts and other parameters",
});
export const captureInLoop = declare<{ step: string }>({
  code: "SRR4007", severity: "error",
  message: (p) => `step ${p.step} captures values and runs several iterations`,
  hint: () => "take one iteration and repeat the layer",
});
