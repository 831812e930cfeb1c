/** What can keep a well-derived network from becoming a model. */
import { declare } from "../diagnostics/declare.js";

export const notLowerable = declare<{ fn: string; why: string }>({
  code: "SRR5001", severity: "error",
  message: (p) => `${p.fn} cannot be built into a network here: ${p.why}`,
  hint: () => "give its dims numbers, or replace it by a lemma or a surrogate",
});
