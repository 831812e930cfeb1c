/** `npm test`: installs what is missing, then runs vitest; its summary is the last thing printed. */
import { join } from "node:path";
import { ensureInstalled, root, run } from "./installed.mjs";

ensureInstalled();
process.exit(run(process.execPath, [join(root, "node_modules", "vitest", "vitest.mjs"), "run", ...process.argv.slice(2)]));
