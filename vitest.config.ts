import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Two cores; each file in a process of its own, so that backends and expression tables do not meet.
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default"],
  },
});
