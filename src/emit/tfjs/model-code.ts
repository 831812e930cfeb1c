/** A plan as readable TypeScript: one function for each step, called once for each copy; equal copies in a row become a loop. */
import type { WireTensor } from "../../runtime/contract.js";
import type { Plan, PlanNode } from "../../tensor/plan.js";
import { planOperands, readCounts } from "../../tensor/schedule.js";
import { type Call, writeBody } from "./body-code.js";
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
  readonly text: string;
}
export interface ModelFunction {
  readonly functions: readonly StepFunction[];
  /** Statements of the main function's body. */
  readonly body: readonly string[];
  /** output name → code of its value. */
  readonly outputs: ReadonlyMap<string, string>;
}
/** A step's update for its function's comment, and the variable that it gives. */
export interface Equation {
  readonly variable: string;
  readonly text: string;
}
/** Names that the generated file imports or passes. */
export const fileNames: readonly string[] = [
  "tf", "run", "at", "inputs", "layer", "Run", "Tensors", "matMul", "standardize", "rmsStandardize", "stopGradient", "dropout", "choose", "compare", "cumulate", "toInteger", "gelu",
  "signOf", "spreadTo", "lookUp", "addRows", "parameter", "input",
];
const isLeaf = (n: PlanNode): boolean => n.op === "input" || n.op === "parameter";
/** Cheap enough to be made where it is read, so that copies of a layer do not read it off the first one. */
const isLocal = (n: PlanNode): boolean =>
  n.op === "fill" || n.op === "size" || n.op === "iota" || (n.op === "constant" && n.data.length <= 256);

/** `block.3/compress` → the place `block/compress`, and what names of its parameters begin with. */
export function placeOf(path: string): { place: string; prefix: string } {
  const m = /^(.+)\.(\d+)\/(.+)$/.exec(path);
  return m ? { place: `${m[1]}/${m[3]}`, prefix: `${m[1]}.${m[2]}` } : { place: path, prefix: "" };
}

function segmentsOf(plan: Plan): readonly Segment[] {
  const runs: PlanNode[][] = [];
  for (const node of plan.nodes) {
    if (isLeaf(node) || isLocal(node)) continue;
    const run = runs.at(-1);
    if (run && run[0]?.path === node.path) run.push(node);
    else runs.push([node]);
  }
  const users = new Map<number, Set<number>>();
  runs.forEach((run, r) => run.forEach((n) => planOperands(n).forEach((id) => { users.set(id, (users.get(id) ?? new Set()).add(r)); })));
  const outputs = new Set(plan.outputs.map((o) => o.node));
  return runs.map((run, r): Segment => {
    const own = new Set(run.map((n) => n.id));
    const foreign = (id: number): boolean => {
      const n = plan.nodes[id] as PlanNode;
      return !own.has(id) && n.op !== "parameter" && !isLocal(n);
    };
    const needs = [...new Set(run.flatMap((n) => planOperands(n)).filter(foreign))];
    const gives = run.filter((n) => outputs.has(n.id) || [...(users.get(n.id) ?? [])].some((u) => u !== r)).map((n) => n.id);
    return { path: run[0]?.path ?? "", nodes: run, needs, gives };
  });
}

const templateText = (text: string): string => text.replace(/[\\`$]/g, "\\$&");
/** A name of the spec as code: relative to the layer where it begins with the layer's own prefix. */
const nameCode = (name: string, prefix: string): string =>
  (prefix !== "" && name.startsWith(`${prefix}.`) ? `\`\${at}.${templateText(name.slice(prefix.length + 1))}\`` : JSON.stringify(name));
const readable = (n: PlanNode): string =>
  (n.label !== "" ? (n.label.split(/[./]/).at(-1) ?? n.label) : n.op === "unary" || n.op === "binary" ? n.fn : n.op);
/** A value that a step hands over bears its variable's name: so the first copy of a layer reads like the others. */
function handedOver(n: PlanNode, equations: ReadonlyMap<string, Equation>): string {
  const { place, prefix } = placeOf(n.path);
  const isStep = prefix !== "" && n.label === `${prefix}.${place.slice(place.lastIndexOf("/") + 1)}`;
  return (isStep ? equations.get(place)?.variable : undefined) ?? readable(n);
}

/** The function's parameters and lines; the same lines for two copies mean one function. */
function writeSegment(segment: Segment, plan: Plan, equations: ReadonlyMap<string, Equation>): { parameters: readonly string[]; lines: readonly string[] } {
  const { prefix } = placeOf(segment.path);
  const names = new Names(fileNames);
  const codes = new Map<number, string>();
  const parameters = segment.needs.map((id) => {
    const name = names.fresh(handedOver(plan.nodes[id] as PlanNode, equations));
    codes.set(id, name);
    return name;
  });
  const lines: string[] = [];
  const operand = (id: number): { code: string; node: PlanNode } => {
    const node = plan.nodes[id] as PlanNode;
    let code = codes.get(id);
    if (code === undefined && node.op === "parameter") {
      code = names.fresh(node.name.split(".").slice(-2).join("_").replace(/^\d+_/, ""));
      codes.set(id, code);
      lines.push(`const ${code} = parameter(run, ${nameCode(node.name, prefix)});`);
    }
    if (code === undefined && isLocal(node)) {
      code = operationCode(node, { operand });
      codes.set(id, code);
    }
    if (code === undefined) throw new Error(`value ${id} is used before it is made`);
    return { code, node };
  };
  const uses = readCounts(segment.nodes);
  for (const node of segment.nodes) {
    const code = operationCode(node, { operand });
    const given = segment.gives.includes(node.id);
    // A turned value that is used once reads best where it is used.
    const inline = uses.get(node.id) === 1 && !given && node.label === "" && code.length < 70 && (node.op === "reshape" || node.op === "transpose");
    if (inline) {
      codes.set(node.id, code);
      continue;
    }
    const name = names.fresh(readable(node));
    codes.set(node.id, name);
    lines.push(`const ${name} = ${code};`);
  }
  const given = segment.gives.map((id) => codes.get(id) ?? "");
  const last = lines.at(-1) ?? "";
  if (given.length === 1 && last.startsWith(`const ${given[0]} = `)) lines[lines.length - 1] = `return ${last.slice(`const ${given[0]} = `.length)}`;
  else lines.push(given.length === 1 ? `return ${given[0]};` : `return [${given.join(", ")}] as const;`);
  return { parameters, lines };
}

/** `names` are taken already (functions of another plan); equal functions are shared through `known`. */
export function writeModel(plan: Plan, equations: ReadonlyMap<string, Equation>, names: Names, known: Map<string, StepFunction>): ModelFunction {
  const functions: StepFunction[] = [];
  const calls: Call[] = [];
  for (const segment of segmentsOf(plan)) {
    if (segment.gives.length === 0) continue;
    const { place, prefix } = placeOf(segment.path);
    const { parameters, lines } = writeSegment(segment, plan, equations);
    const key = `${place}|${parameters.join()}|${lines.join("\n")}`;
    let fn = known.get(key);
    if (!fn) {
      const name = names.fresh(place === "" ? "prepare" : prefix === "" ? `compute_${place.replace(/\//g, "_")}` : place.replace(/\//g, "_"));
      const equation = equations.get(place)?.text ?? "";
      const text = [
        ...(equation ? [`/** ${commentText(equation)} */`] : []),
        `function ${name}(${[...parameters.map((p) => `${p}: tf.Tensor`), "run: Run", ...(prefix === "" ? [] : ["at: string"])].join(", ")}) {`,
        ...lines.map((l) => `  ${l}`), "}",
      ].join("\n");
      fn = { name, text };
      known.set(key, fn);
      functions.push(fn);
    }
    const wanted = (id: number): string => {
      const label = (plan.nodes[id] as PlanNode).label;
      return label !== "" && prefix !== "" && label.startsWith(`${prefix}.`) ? label.slice(prefix.length + 1) : label || (place.split("/").at(-1) ?? "value");
    };
    const carried = segment.gives.map((id) => handedOver(plan.nodes[id] as PlanNode, equations));
    calls.push({ fn: fn.name, prefix, args: segment.needs, gives: segment.gives, wanted: segment.gives.map(wanted), carried });
  }
  const leaves = new Map<number, string>();
  for (const node of plan.nodes) {
    if (node.op === "input") leaves.set(node.id, `input(inputs, ${JSON.stringify(node.name)})`);
    if (node.op === "parameter") leaves.set(node.id, `parameter(run, ${JSON.stringify(node.name)})`);
    if (isLocal(node)) leaves.set(node.id, operationCode(node, { operand: (id) => ({ code: leaves.get(id) ?? "", node: plan.nodes[id] as PlanNode }) }));
  }
  const locals = new Names([...fileNames, ...[...known.values()].map((f) => f.name)]);
  const { lines, values } = writeBody(calls, leaves, plan.outputs.map((o) => o.node), locals);
  return { functions, body: lines, outputs: new Map(plan.outputs.map((o) => [o.name, values.get(o.node) ?? ""])) };
}

/** The free sizes by name, with the code that reads them off the inputs. */
export function sizeEntries(inputs: readonly WireTensor[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const wire of inputs) {
    wire.shape.forEach((size, axis) => {
      // A polynomial of sizes ("n + 1") is not a name to be read off.
      if (typeof size === "string" && !/[^\p{L}\p{N}_']/u.test(size) && !found.has(size)) found.set(size, `input(inputs, ${JSON.stringify(wire.name)}).shape[${axis}] ?? 0`);
    });
  }
  return found;
}
