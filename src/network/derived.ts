/** A network as the later rooms get it: typed, with the derivation of each step, and unrolled. */
import type { Derivation } from "../calculus/derive.js";
import type { TypedNetwork, TypedStep } from "../semantics/program.js";
import type { UnrolledNetwork } from "./network.js";

export interface DerivedNetwork {
  readonly typed: TypedNetwork;
  readonly derivations: ReadonlyMap<TypedStep, Derivation>;
  readonly unrolled: UnrolledNetwork;
}
