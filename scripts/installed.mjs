/** Installs what the lock file says, where it is not there yet: so that one command works on a fresh clone. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (done.error) throw done.error;
  return done.status ?? 1;
}
function complete() {
  const installed = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return false;
  const have = JSON.parse(readFileSync(installed, "utf8")).packages;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  return Object.entries(wanted).every(([path, p]) => path === "" || p.optional || p.peer || have[path]?.version === p.version);
}
export function ensureInstalled() {
  if (complete()) return;
  console.error("installing dependencies (npm ci)…");
  const status = run("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], { stdio: ["ignore", 2, "inherit"] });
  if (status !== 0) process.exit(status);
}
/** dist/ is made anew when a source is newer. */
export function ensureBuilt() {
  const status = run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json", "--incremental", "--tsBuildInfoFile", "dist/.tsbuildinfo"]);
  if (status !== 0) process.exit(status);
}
