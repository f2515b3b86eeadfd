/**
 * The suite that every store must pass (protocol §3 to §6). A store's test calls `describeLogStore` with a
 * function that opens a harness; whatever needs a fault, time or a foreign program goes through the harness,
 * so that nothing here depends on the store's clock or schema.
 */
import { describe, it } from "vitest";
import { appendCases } from "./log-store/append.js";
import { capsCases } from "./log-store/caps.js";
import { catalogueCases } from "./log-store/catalogue.js";
import { claimCases } from "./log-store/claim.js";
import { endCases } from "./log-store/end.js";
import { epochCases } from "./log-store/epoch.js";
import { foreignCases } from "./log-store/foreign.js";
import type { OpenHarness, StoreCase, StoreCases } from "./log-store/harness.js";
import { readCases } from "./log-store/read.js";
import { stateCases } from "./log-store/state.js";
import { sweepCases } from "./log-store/sweep.js";
import { watchCases } from "./log-store/watch.js";

export type { OpenHarness, StoreCase, StoreHarness } from "./log-store/harness.js";
export { SWEEP_PERIOD_MS } from "./log-store/harness.js";

/** Every case, by what it is about. */
export const logStoreCases: readonly StoreCases[] = [
  claimCases,
  appendCases,
  capsCases,
  stateCases,
  epochCases,
  endCases,
  readCases,
  foreignCases,
  sweepCases,
  catalogueCases,
  watchCases,
];

/** Runs one case on a store of its own. */
export async function runStoreCase(storeCase: StoreCase, open: OpenHarness): Promise<void> {
  const harness = await open(storeCase.limits);
  try {
    await storeCase.run(harness);
  } finally {
    await harness.close();
  }
}

/** Declares the suite for one store. */
export function describeLogStore(name: string, open: OpenHarness): void {
  describe(name, () => {
    for (const { about, cases } of logStoreCases) {
      describe(about, () => {
        for (const storeCase of cases) it(storeCase.title, () => runStoreCase(storeCase, open));
      });
    }
  });
}
