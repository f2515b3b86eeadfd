import { expect } from "vitest";
import type { StoreCases, StoreHarness } from "./harness.js";
import { claimBy, joined, line, lines, owned, read, recreateRequest, sweep, unique } from "./scene.js";

/** The caps of the process in which a run was created, and of another process. */
const OWN = { maxLines: 6, maxBufferBytes: 1000 };
const OTHER = { maxLines: 2, maxBufferBytes: 60 };

/** The harness as another process sees it. */
function inAnother(harness: StoreHarness, limits = OTHER): StoreHarness {
  return { ...harness, store: harness.another(limits) };
}

async function kept(harness: StoreHarness, runId: string): Promise<string[]> {
  return (await read(harness, runId)).lines;
}

export const capsCases: StoreCases = {
  about: "how much of a run is kept when processes have different limits",
  cases: [
    {
      title: "keeps what the owner's limits say when another process joins",
      limits: OWN,
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(5));
        const other = joined(inAnother(harness), owner.runId);
        await other.write([line(5)]);
        expect(await kept(harness, owner.runId)).toEqual(lines(6));
        await other.write([line(6)]);
        expect(await kept(harness, owner.runId)).toEqual(lines(6, 1));
      },
    },
    {
      title: "keeps no more than the owner's limits say, in lines and in bytes, when another process has larger ones",
      limits: OTHER,
      async run(harness) {
        const owner = await owned(harness);
        const other = joined(inAnother(harness, OWN), owner.runId);
        await other.write(lines(5));
        expect(await kept(harness, owner.runId)).toEqual(lines(2, 3));
        await other.write(["x".repeat(50)]);
        expect(await kept(harness, owner.runId)).toEqual(["x".repeat(50)]);
      },
    },
    {
      title: "keeps what the first owner's limits say when another process adopts the run or takes it over",
      limits: OWN,
      async run(harness) {
        const elsewhere = inAnother(harness);
        const owner = await owned(harness);
        await owner.write(lines(5));
        const taker = await claimBy(elsewhere, owner.runId, { takeOver: true });
        expect(await kept(harness, owner.runId)).toEqual([...lines(5), line("owner_changed")]);
        await taker.write([line(5)]);
        expect(await kept(harness, owner.runId)).toEqual([...lines(4, 1), line("owner_changed"), line(5)]);
        await taker.release();
        await (await claimBy(harness, owner.runId)).write([line(6)]);
        expect(await kept(harness, owner.runId)).toHaveLength(6);
      },
    },
    {
      title: "keeps what the first owner's limits say when a run was created without one",
      limits: OTHER,
      async run(harness) {
        const created = await owned(harness, { owner: null });
        const adopter = await claimBy(inAnother(harness, OWN), created.runId);
        await adopter.write(lines(5));
        const other = joined(harness, created.runId);
        await other.write([line(5)]);
        expect(await kept(harness, created.runId)).toEqual(lines(6));
      },
    },
    {
      title: "keeps what the limits of the one who adopts it say of a run that something else writes",
      limits: OTHER,
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(4), meta: { status: "running" } });
        await claimBy(inAnother(harness, OWN), runId);
        await joined(harness, runId).write([line(4)]);
        expect(await kept(harness, runId)).toEqual(lines(5));
      },
    },
    {
      title: "keeps what the owner's limits say of a run that it created again",
      limits: OWN,
      async run(harness) {
        const owner = await owned(harness);
        await harness.lose(owner.runId);
        await harness.store.recreate(recreateRequest(owner));
        await joined(inAnother(harness), owner.runId).write(lines(6));
        expect(await kept(harness, owner.runId)).toEqual(lines(6));
      },
    },
    {
      title: "keeps what the owner's limits say when another process finds the owner lost",
      limits: OWN,
      async run(harness) {
        const elsewhere = inAnother(harness);
        const owner = await owned(harness);
        await joined(elsewhere, owner.runId).write(lines(5));
        await harness.expireLease(owner.runId);
        expect(await sweep(elsewhere, 1)).toMatchObject({ ended: [{ runId: owner.runId, errorCode: "OWNER_LOST" }] });
        expect(await kept(harness, owner.runId)).toEqual([...lines(5), line("owner_lost")]);
      },
    },
  ],
};
