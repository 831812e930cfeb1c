/** The examples: where they lie, and the form in which each is run where that is not its spec as it stands. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./root.js";

export const examplesFolder = (): string => join(packageRoot(), "examples");
export const exampleNames = (): readonly string[] => readdirSync(examplesFolder()).filter((f) => f.endsWith(".srr")).map((f) => f.slice(0, -4)).sort();

/** Presets of the sizes that fit the data which the spec names, and a laptop; without one a spec has its paper's sizes. */
export const examplePresets: Readonly<Record<string, string>> = { crate: "mnist", "crate-alpha": "mnist", "crate-mae": "mnist", tost: "mnist" };
