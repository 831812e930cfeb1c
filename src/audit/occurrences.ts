/** Where does a step of the spec stand in the unrolled network? One occurrence for each copy of its layer in which it is taken. */
import type { Derivation } from "../calculus/derive.js";
import type { Expr } from "../expression/expr.js";
import { spreadLets } from "../network/lets.js";
import type { UnrolledNetwork, UnrolledStatement } from "../network/network.js";
import type { TypedLayer, TypedNetwork, TypedStep } from "../semantics/program.js";

export interface Objective {
  readonly name: string;
  readonly sense: "minimize" | "maximize";
  readonly value: Expr;
}
export interface Occurrence {
  /** `block.3.compress`. */
  readonly place: string;
  readonly layer?: string;
  /** From 1; undefined outside of layers. */
  readonly copy?: number;
  readonly step: TypedStep;
  readonly derivation: Derivation;
  /** The statement that assigns the variable's new value: in its scope the step's expressions have their values. */
  readonly statement: UnrolledStatement;
  /** Names of values: the variable before the step, where the step is taken (F of it), and what was optimised before `then`. */
  readonly before: string;
  readonly start: string;
  readonly optimised: string;
  /** The network's objectives that can be spoken of here. */
  readonly objectives: readonly Objective[];
  /** Puts the layer's own lets into an expression of the spec. */
  readonly spread: (e: Expr) => Expr;
}

interface Candidate {
  readonly step: TypedStep;
  readonly layer?: TypedLayer;
  readonly copy?: number;
}
function candidates(network: TypedNetwork): readonly Candidate[] {
  return network.statements.flatMap((s): readonly Candidate[] => {
    if (s.kind === "step") return [{ step: s }];
    if (s.kind !== "layer") return [];
    const steps = s.body.filter((x): x is TypedStep => x.kind === "step");
    return Array.from({ length: s.repeat }, (_, i) => steps.map((step) => ({ step, layer: s, copy: i + 1 }))).flat();
  });
}
const objectivesIn = (statements: TypedNetwork["statements"]): readonly Objective[] =>
  statements.flatMap((s) => (s.kind === "objective" ? [{ name: s.name, sense: s.sense, value: s.value }] : []));

/** Steps in the order in which the network takes them; those that `when` leaves out are not there. */
export function occurrences(
  network: TypedNetwork, unrolled: UnrolledNetwork, derivations: ReadonlyMap<TypedStep, Derivation>,
): readonly Occurrence[] {
  const { statements } = unrolled;
  const global = objectivesIn(network.statements);
  return candidates(network).flatMap(({ step, layer, copy }): readonly Occurrence[] => {
    const derivation = derivations.get(step);
    const path = layer ? `${layer.name}.${copy}/${step.name}` : step.name;
    const own = statements.filter((s) => s.path === path);
    const first = own[0] ? statements.indexOf(own[0]) : -1;
    const statement = own.findLast((s) => s.variable === step.variable);
    if (!derivation || !statement) return [];
    const earlier = statements.slice(0, first).findLast((s) => s.variable === step.variable);
    const before = earlier?.target ?? step.variable;
    const start = step.prenorm ? (own.find((s) => s.target.endsWith(".prenorm"))?.target ?? before) : before;
    const beforeThen = step.then || step.over ? own.findLast((s) => s !== statement && s.capture === undefined) : undefined;
    const lets = new Map((layer?.lets ?? []).filter((l) => l.kept).map((l) => [l.name, l]));
    return [{
      place: layer ? `${layer.name}.${copy}.${step.name}` : step.name,
      ...(layer && copy !== undefined ? { layer: layer.name, copy } : {}),
      step, derivation, statement, before, start, optimised: beforeThen?.target ?? statement.target,
      objectives: [...global, ...objectivesIn(layer?.body ?? [])],
      spread: (e) => spreadLets(e, lets),
    }];
  });
}
