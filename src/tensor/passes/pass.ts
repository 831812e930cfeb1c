/** What is an optimisation pass? A named function from graph to graph that keeps every output, with the reason why it helps. */
import type { Graph } from "../graph.js";

/** 0: none. 1: never costs anything. 2: trades work on parameters for work on tokens, by cost. */
export type OptimisationLevel = 0 | 1 | 2;
export interface Pass {
  readonly name: string;
  /** The lowest level at which it runs. */
  readonly level: 1 | 2;
  /** One sentence for people who ask what the compiler did. */
  readonly why: string;
  readonly run: (graph: Graph) => Graph;
}
