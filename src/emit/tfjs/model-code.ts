/** A plan as readable TypeScript: one function for each step, one call for each copy of it. */
import type { Plan, PlanNode } from "../../tensor/plan.js";
import { planOperands } from "../../tensor/schedule.js";
import { commentText, Names } from "./names.js";
import { operationCode } from "./operations.js";

/** Neighbouring nodes of one place, in order. */
interface Segment {
  readonly path: string;
  readonly nodes: readonly PlanNode[];
  /** Values from outside, in order of first use; those that others use. */
  readonly needs: readonly number[];
  readonly gives: readonly number[];
}
export interface StepFunction {
  readonly name: string;
  /** `block/compress`. */
  readonly place: string;
  readonly equation: string;
  readonly text: string;
}
export interface ModelFunction {
  readonly functions: readonly StepFunction[];
  /** Statements of the main function's body. */
  readonly body: readonly string[];
  /** output name → variable. */
  readonly outputs: ReadonlyMap<string, string>;
}
const isLeaf = (n: PlanNode): boolean => n.op === "input" || n.op === "parameter";
/** `block.3/compress` → the place `block/compress`, and what names of its parameters begin with. */
function placeOf(path: string): { place: string; prefix: string } {
  const m = /^(.+)\.(\d+)\/(.+)$/.exec(path);
  return m ? { place: `${m[1]}/${m[3]}`, prefix: `${m[1]}.${m[2]}` } : { place: path, prefix: "" };
}

function segmentsOf(plan: Plan): readonly Segment[] {
  const runs: PlanNode[][] = [];
  for (const node of plan.nodes) {
    if (isLeaf(node)) continue;
    const run = runs.at(-1);
    if (run && run[0]?.path === node.path) run.push(node);
    else runs.push([node]);
  }
  const users = new Map<number, Set<number>>();
  runs.forEach((run, r) => run.forEach((n) => planOperands(n).forEach((id) => { users.set(id, (users.get(id) ?? new Set()).add(r)); })));
  const outputs = new Set(plan.outputs.map((o) => o.node));
  return runs.map((run, r): Segment => {
    const own = new Set(run.map((n) => n.id));
    const needs = [...new Set(run.flatMap((n) => planOperands(n)).filter((id) => !own.has(id) && plan.nodes[id]?.op !== "parameter"))];
    const gives = run.filter((n) => outputs.has(n.id) || [...(users.get(n.id) ?? [])].some((u) => u !== r)).map((n) => n.id);
    return { path: run[0]?.path ?? "", nodes: run, needs, gives };
  });
}

const parameterCode = (name: string, prefix: string): string =>
  (prefix !== "" && name.startsWith(`${prefix}.`) ? `of(params, \`\${at}.${name.slice(prefix.length + 1).replace(/[\\`$]/g, "\\$&")}\`)` : `of(params, ${JSON.stringify(name)})`);

/** The function's lines; the same lines for two copies mean one function. */
function writeSegment(segment: Segment, plan: Plan): { parameters: readonly string[]; lines: readonly string[] } {
  const { prefix } = placeOf(segment.path);
  const names = new Names(["tf", "params", "sizes", "context", "at", "of", "standardize", "rmsStandardize", "stopGradient", "dropout", "choose", "holds", "gelu", "signOf", "lookUp", "addRows"]);
  const codes = new Map<number, string>();
  const readable = (n: PlanNode): string => (n.label !== "" ? (n.label.split(/[./]/).at(-1) ?? n.label) : n.op === "unary" || n.op === "binary" ? n.fn : n.op);
  const parameters = segment.needs.map((id) => {
    const name = names.fresh(readable(plan.nodes[id] as PlanNode));
    codes.set(id, name);
    return name;
  });
  const lines: string[] = [];
  const operand = (id: number) => {
    const node = plan.nodes[id] as PlanNode;
    let code = codes.get(id);
    if (code === undefined && node.op === "parameter") {
      code = names.fresh(node.name.split(".").slice(-2).join("_").replace(/^\d+_/, ""));
      codes.set(id, code);
      lines.push(`const ${code} = ${parameterCode(node.name, prefix)};`);
    }
    if (code === undefined) throw new Error(`value ${id} is used before it is made`);
    return { code, node };
  };
  const uses = new Map<number, number>();
  segment.nodes.forEach((n) => planOperands(n).forEach((id) => uses.set(id, (uses.get(id) ?? 0) + 1)));
  for (const node of segment.nodes) {
    const code = operationCode(node, { operand });
    // A plain number or a turned value that is used once reads best where it is used.
    const inline = uses.get(node.id) === 1 && !segment.gives.includes(node.id) && node.label === "" && code.length < 60 &&
      (node.op === "fill" || node.op === "reshape" || node.op === "transpose" || node.op === "size");
    if (inline) {
      codes.set(node.id, code);
      continue;
    }
    const name = names.fresh(readable(node));
    codes.set(node.id, name);
    lines.push(`const ${name} = ${code};`);
  }
  const given = segment.gives.map((id) => codes.get(id) ?? "");
  lines.push(given.length === 1 ? `return ${given[0]};` : `return [${given.join(", ")}] as const;`);
  return { parameters, lines };
}

/** `names` are taken already (functions of another plan); equal functions are shared through `known`. */
export function writeModel(plan: Plan, equations: ReadonlyMap<string, string>, names: Names, known: Map<string, StepFunction>): ModelFunction {
  const functions: StepFunction[] = [];
  const locals = new Names(["tf", "params", "sizes", "inputs", "context", "of", ...[...known.values()].map((f) => f.name)]);
  const values = new Map<number, string>();
  const body: string[] = [];
  for (const node of plan.nodes) if (node.op === "input") values.set(node.id, `of(inputs, ${JSON.stringify(node.name)})`);
  for (const segment of segmentsOf(plan)) {
    const { place, prefix } = placeOf(segment.path);
    const { parameters, lines } = writeSegment(segment, plan);
    const key = `${place}|${parameters.join()}|${lines.join("\n")}`;
    let fn = known.get(key);
    if (!fn) {
      const name = names.fresh(place === "" ? "prepare" : place.replace(/\//g, "_"));
      const equation = equations.get(place) ?? "";
      const text = [
        ...(equation ? [`/** ${commentText(equation)} */`] : []),
        `function ${name}(${[...parameters.map((p) => `${p}: tf.Tensor`), "params: Tensors", "sizes: Sizes", "context: Context", "at: string"].join(", ")}) {`,
        ...lines.map((l) => `  ${l}`), "}",
      ].join("\n");
      fn = { name, place, equation, text };
      known.set(key, fn);
      functions.push(fn);
    }
    const args = segment.needs.map((id) => { const v = values.get(id); if (v === undefined) throw new Error(`value ${id} is used before it is made`); return v; });
    const call = `${fn.name}(${[...args, "params", "sizes", "context", JSON.stringify(prefix)].join(", ")})`;
    const results = segment.gives.map((id) => {
      const node = plan.nodes[id] as PlanNode;
      const name = locals.fresh(`${node.label || (placeOf(segment.path).place.split("/").at(-1) ?? "value")}${prefix ? `_${prefix.split(".").at(-1)}` : ""}`);
      values.set(id, name);
      return name;
    });
    if (results.length > 0) body.push(`const ${results.length === 1 ? results[0] : `[${results.join(", ")}]`} = ${call};`);
  }
  // An output may be an input or a parameter itself.
  for (const node of plan.nodes) if (node.op === "parameter") values.set(node.id, `of(params, ${JSON.stringify(node.name)})`);
  return { functions, body, outputs: new Map(plan.outputs.map((o) => [o.name, values.get(o.node) ?? ""])) };
}

/** Statements that read the free sizes off the inputs. */
export function sizeStatements(plan: Plan): readonly string[] {
  const found = new Map<string, string>();
  for (const node of plan.nodes) {
    if (node.op !== "input") continue;
    node.shape.forEach((d, axis) => {
      const [t] = d.terms;
      const power = t?.powers[0];
      if (d.terms.length === 1 && t && power && t.powers.length === 1 && power[1] === 1 && t.numerator === 1 && t.denominator === 1 && !found.has(power[0])) {
        found.set(power[0], `of(inputs, ${JSON.stringify(node.name)}).shape[${axis}] as number`);
      }
    });
  }
  return [...found].map(([name, code]) => `${JSON.stringify(name)}: ${code}`);
}
