/** Where the installed package lies, and what it says of itself. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's own folder: the nearest one above this file with a package.json of our name. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "crate-compile") return folder;
    const above = dirname(folder);
    if (above === folder) throw new Error("the package's own folder was not found");
    folder = above;
  }
}
export function packageVersion(): string {
  const version: unknown = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version;
  return typeof version === "string" ? version : "0.0.0";
}
