/**
 * `npm run examples`: every example in its small form, pass or fail. `-- --full` runs them as their specs say, and writes
 * their pages and figures (examples/NAME.md, NAME.svg). `-- NAME…` runs those named.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { rows } from "./examples/rows.js";
import { type Outcome, runExample } from "./examples/run.js";
import { writePage } from "./examples/page.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { full: { type: "boolean" }, out: { type: "string", default: "out/examples" } } });
const unknown = positionals.filter((p) => !rows.some((r) => r.name === p));
if (unknown.length > 0) {
  console.error(`there is no example ${unknown.join(", ")}; there are ${rows.map((r) => r.name).join(", ")}`);
  process.exit(2);
}
const out = values.out as string;
mkdirSync(out, { recursive: true });
const outcomes: Outcome[] = [];
for (const row of rows.filter((r) => positionals.length === 0 || positionals.includes(r.name))) {
  const outcome = await runExample(row, { full: values.full === true, out: join(out, row.name), say: (text) => console.error(`  ${text}`) });
  outcomes.push(outcome);
  console.log(`${outcome.fault === undefined ? "pass" : "FAIL"}  ${row.name.padEnd(18)} ${outcome.seconds.toFixed(0).padStart(4)} s  ${outcome.fault ?? outcome.reached}`);
  if (values.full) for (const { path, text } of writePage(row, outcome)) writeFileSync(path, text);
}
const failed = outcomes.filter((o) => o.fault !== undefined).length;
console.log(`${outcomes.length - failed} of ${outcomes.length} examples pass`);
process.exitCode = failed === 0 ? 0 : 1;
