import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/machine.ts"],
    // Real servers, browsers and child processes: a process per file, so that what one leaves open cannot reach another.
    pool: "forks",
    // Most of them wait for a server or a child; a small machine is idle for much of the time.
    maxWorkers: 4,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    restoreMocks: true,
    unstubEnvs: true,
    allowOnly: false,
  },
});
