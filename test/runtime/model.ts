/** What tests of the runtime share: a model description by hand, folders that go away, faults with their words. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect } from "vitest";
import type { ModelDescription, PlainCall, PlainValue, WireTensor } from "../../src/runtime/contract.js";
import type { SourceContext } from "../../src/runtime/data/dataset.js";
import { DataError } from "../../src/runtime/safetensors.js";

export const call = (name: string, positional: readonly PlainValue[] = [], named: Readonly<Record<string, PlainValue>> = {}): PlainCall => ({ name, positional, named });
export const real = (name: string, ...shape: number[]): WireTensor => ({ name, kind: "real", shape: ["batch", ...shape] });
export const classOf = (name: string, classes: number): WireTensor => ({ name, kind: "class", classes, shape: ["batch"] });
export const tokens = (name: string, classes: number, n: number): WireTensor => ({ name, kind: "token", classes, shape: ["batch", n] });

export function model(inputs: readonly WireTensor[], targets: readonly WireTensor[] = [], more: Partial<ModelDescription> = {}): ModelDescription {
  return { format: 1, name: "Test", compiler: "0", specHash: "0".repeat(64), constants: {}, seed: 1, inputs, targets, outputs: [], parameters: [], ...more };
}
export const context = (m: ModelDescription, parameters: SourceContext["parameters"] = {}): SourceContext => ({ model: m, baseDirectory: "/", parameters });

const folders: string[] = [];
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "crate-compile-test-"));
  folders.push(folder);
  return folder;
}
afterEach(() => folders.splice(0).forEach((f) => rmSync(f, { recursive: true, force: true })));

/** Expects a DataError (nothing else) whose message has all these words. */
export async function expectDataError(action: () => unknown, ...words: readonly string[]): Promise<void> {
  let caught: unknown;
  try {
    await action();
  } catch (error) {
    caught = error;
  }
  expect(caught, "nothing was thrown").toBeDefined();
  expect(caught).toBeInstanceOf(DataError);
  for (const word of words) expect((caught as Error).message).toContain(word);
}
