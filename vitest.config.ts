import { configDefaults, defineConfig } from "vitest/config";

/** What takes minutes because it breaks things again and again: `npm run test:drills`. */
const DRILLS = [
  "test/faults/**/*.test.ts",
  "test/fuzz-*.test.ts",
  "test/serialize-fast-paths.test.ts",
  "test/mutations.test.ts",
  "test/bounded-memory.test.ts",
];

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: "tests", include: ["test/**/*.test.ts"], exclude: [...configDefaults.exclude, ...DRILLS] },
      },
      { extends: true, test: { name: "drills", include: DRILLS } },
    ],
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
