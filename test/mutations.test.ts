import { beforeAll, describe, expect, it } from "vitest";
import { setDeadline } from "./contract/log-store/scene.js";
import { logStoreCases, type OpenHarness, runStoreCase } from "./contract/log-store.js";
import { type Mutation, memoryMutations } from "./mutations.js";
import { type MemoryStoreModules, openMemoryHarness } from "./support/memory-harness.js";
import { loadMutant, occurrences } from "./support/mutant.js";

const cases = logStoreCases.flatMap((group) => group.cases);

/** The title of the first case that fails; null when none does. */
async function firstFailure(open: OpenHarness): Promise<string | null> {
  for (const storeCase of cases) {
    try {
      await runStoreCase(storeCase, open);
    } catch {
      return storeCase.title;
    }
  }
  return null;
}

/** `deadlineMs`: how long a case waits for what a mutant may never do. */
function describeMutations(
  name: string,
  mutations: readonly Mutation[],
  deadlineMs: number,
  openMutant: (mutation: Mutation) => Promise<OpenHarness>,
): void {
  describe(name, () => {
    beforeAll(() => setDeadline(deadlineMs));

    it("finds nothing wrong where nothing was changed", async () => {
      for (const file of new Set(mutations.map((mutation) => mutation.file))) {
        const nothing = { file, name: "nothing", find: "import", replace: "import" };
        expect(await firstFailure(await openMutant(nothing))).toBeNull();
      }
    });

    it.each(mutations)("notices that $name", async (mutation) => {
      expect(occurrences(mutation), mutation.find).toBe(1);
      expect(await firstFailure(await openMutant(mutation))).not.toBeNull();
    });
  });
}

const MEMORY = ["src/store/memory.ts", "src/store/memory-run.ts"];

describeMutations("the suite, run on mutants of the embedded store", memoryMutations, 250, async (mutation) => {
  const modules = await loadMutant<MemoryStoreModules>(MEMORY, mutation);
  return (limits) => openMemoryHarness(limits, modules);
});
