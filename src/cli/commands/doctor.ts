import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { UserFault } from "../faults.js";
import { packageRoot } from "../root.js";
import { result, resultJson, say } from "../report.js";

interface Finding {
  readonly what: string;
  readonly state: "ok" | "missing" | "note";
  readonly detail: string;
  readonly mend?: string;
}
/** Where Node looks for packages: from the working folder, then from the compiler's own. */
const roots = [join(process.cwd(), "package.json"), import.meta.url].map((from) => createRequire(from));

/** Read as a file: not every package exports its manifest. */
function versionOf(name: string): string | undefined {
  const manifests = roots.flatMap((from) => from.resolve.paths(name) ?? []).map((folder) => join(folder, name, "package.json"));
  const found = manifests.find((f) => existsSync(f));
  return found === undefined ? undefined : (JSON.parse(readFileSync(found, "utf8")) as { version: string }).version;
}
/** Loads the binding in a process of its own: a broken native library must not take the doctor down. */
function nativeWorks(name: string): string | undefined {
  const probe = `const u=require("util");u.isNullOrUndefined??=(x)=>x==null;const tf=require(${JSON.stringify(name)});` +
    "console.log(tf.tensor([1,2]).sum().dataSync()[0]===3?tf.backend().binding.TF_Version:\"\")";
  const run = spawnSync(process.execPath, ["-e", probe], { encoding: "utf8", env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: "3" }, timeout: 60_000 });
  return run.status === 0 && run.stdout.trim() !== "" ? run.stdout.trim() : undefined;
}
function findings(): readonly Finding[] {
  const major = Number(process.versions.node.split(".")[0]);
  const found: Finding[] = [{
    what: "Node.js", state: major >= 20 ? "ok" : "missing", detail: process.version, ...(major >= 20 ? {} : { mend: "install Node 20 or later" }),
  }];
  for (const name of ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"]) {
    const version = versionOf(name);
    const library = version === undefined ? undefined : nativeWorks(name);
    found.push(library !== undefined
      ? { what: name, state: "ok", detail: `${version} on libtensorflow ${library}${name.endsWith("gpu") ? "; it falls back to the CPU without a word where CUDA is missing" : ""}` }
      : version === undefined
        ? { what: name, state: "note", detail: "not installed (optional: faster training)", mend: `npm install ${name}; where its download fails on Linux: crate-compile doctor --install-native` }
        : { what: name, state: "missing", detail: `${version} is installed, but its native library does not load`, mend: "crate-compile doctor --install-native (Linux x86_64), or go on with WebAssembly" });
  }
  for (const name of ["@tensorflow/tfjs-backend-wasm", "onnxruntime-node", "sharp"]) {
    const version = versionOf(name);
    found.push(version === undefined
      ? { what: name, state: "missing", detail: "not installed", mend: `npm install ${name}` }
      : { what: name, state: "ok", detail: version });
  }
  const cuda = ["/proc/driver/nvidia/version", "/dev/nvidia0"].some((p) => existsSync(p));
  found.push({ what: "NVIDIA GPU", state: "note", detail: cuda ? "a driver is there; tfjs-node-gpu 4.22 wants CUDA 11.8 and cuDNN 8.6" : "none found" });
  return found;
}
export function doctor(options: { readonly installNative?: boolean; readonly json?: boolean }): void {
  if (options.installNative) {
    const script = join(packageRoot(), "scripts", "install-tfjs-node.sh");
    if (process.platform !== "linux" || process.arch !== "x64") throw new UserFault("the native binding can be built on Linux x86_64 only");
    say("building the native TensorFlow binding in this folder (some 200 MB are fetched)…");
    const run = spawnSync("sh", [script, process.cwd()], { stdio: ["ignore", options.json ? process.stderr.fd : "inherit", "inherit"] });
    if (run.status !== 0) throw new UserFault("the native binding could not be built; the lines above say why. WebAssembly goes on working");
  }
  const found = findings();
  if (options.json) return resultJson({ findings: found });
  const lines = found.flatMap((f) => [
    `${f.state === "ok" ? "ok     " : f.state === "note" ? "note   " : "MISSING"} ${f.what}: ${f.detail}`,
    ...(f.mend ? [`        ${f.mend}`] : []),
  ]);
  result(`${lines.join("\n")}\n`);
}
