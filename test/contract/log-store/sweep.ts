import { expect } from "vitest";
import { type StoreCases, type StoreHarness, SWEEP_PERIOD_MS } from "./harness.js";
import {
  claimBy,
  claimRequest,
  joined,
  line,
  lines,
  newEpoch,
  owned,
  read,
  recreateRequest,
  snapshot,
  sweep,
} from "./scene.js";
import { expectTtl } from "./state.js";

async function stalledSweeps(harness: StoreHarness, runId: string): Promise<number> {
  return (await read(harness, runId)).run.stalledSweeps;
}

export const sweepCases: StoreCases = {
  about: "sweeping",
  cases: [
    {
      title: "sweeps once in a period, whoever asks",
      async run(harness) {
        const { runId } = await owned(harness);
        await harness.expireLease(runId);
        const request = {
          periodMs: SWEEP_PERIOD_MS,
          lostAfterSweeps: 4,
          newEpoch,
          ownerLostLine: () => line("owner_lost"),
          neverStartedLine: () => line("never_started"),
        };
        const reports = await Promise.all([1, 2, 3].map(() => harness.store.sweep(request)));
        expect(reports.map((report) => report.swept).toSorted()).toEqual([false, false, true]);
        expect(await harness.store.sweep(request)).toEqual({ swept: false, ended: [], stalled: [] });
        expect(await stalledSweeps(harness, runId)).toBe(1);
        await harness.nextSweep();
        expect(await harness.store.sweep(request)).toEqual({ swept: true, ended: [], stalled: [runId] });
        expect(await stalledSweeps(harness, runId)).toBe(2);
      },
    },
    {
      title: "leaves runs with a live lease and runs that wait for an owner as they are",
      async run(harness) {
        const [live, waiting] = [await owned(harness), await owned(harness, { owner: null })];
        const released = await owned(harness);
        await released.release();
        const runs = [live, waiting, released];
        const before = await Promise.all(runs.map(({ runId }) => snapshot(harness, runId)));
        expect(await sweep(harness, 1)).toEqual({ swept: true, ended: [], stalled: [] });
        expect(await Promise.all(runs.map(({ runId }) => snapshot(harness, runId)))).toEqual(before);
      },
    },
    {
      title: "counts the sweeps that found a lease over; the first of them is a visible change",
      async run(harness) {
        const owner = await owned(harness);
        const { version } = (await read(harness, owner.runId)).run;
        await harness.expireLease(owner.runId);
        expect(await sweep(harness)).toEqual({ swept: true, ended: [], stalled: [owner.runId] });
        const first = (await read(harness, owner.runId)).run;
        expect(first).toMatchObject({ stalledSweeps: 1, status: "queued", owner: owner.owner?.id });
        expect(first.version).toBeGreaterThan(version);
        await sweep(harness);
        const second = (await read(harness, owner.runId)).run;
        expect(second).toMatchObject({ stalledSweeps: 2, version: first.version });
      },
    },
    {
      title: "ends the run of a lost owner at the last sweep that it is given, with a last line",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2), { start: true });
        await harness.expireLease(owner.runId);
        for (let i = 1; i <= 3; i++) expect(await sweep(harness)).toMatchObject({ ended: [], stalled: [owner.runId] });
        expect((await read(harness, owner.runId)).run).toMatchObject({ status: "running", stalledSweeps: 3 });
        const ended = [{ runId: owner.runId, errorCode: "OWNER_LOST" }];
        expect(await sweep(harness)).toEqual({ swept: true, ended, stalled: [] });
        const { run, lines: stored } = await read(harness, owner.runId);
        expect(stored).toEqual([...lines(2), line("owner_lost")]);
        expect(run).toMatchObject({
          status: "failed",
          errorCode: "OWNER_LOST",
          epoch: owner.epoch,
          next: 3,
          expectedLogCount: 3,
        });
        expect(run.error).not.toBe("");
        expect(run.finishedAt).toBeGreaterThanOrEqual(run.startedAt);
        await expectTtl(harness, owner.runId, 21_600, ["meta", "buffer", "producers"]);
        expect(await owner.append(lines(1, 2))).toEqual({ code: "RUN_ENDED", status: "failed" });
        expect(await sweep(harness)).toEqual({ swept: true, ended: [], stalled: [] });
        expect(await harness.store.countOpen()).toBe(0);
      },
    },
    {
      title: "begins to count anew when the owner comes back",
      async run(harness) {
        const owner = await owned(harness);
        for (const heal of [() => owner.write(lines(1)), () => owner.write([])]) {
          await harness.expireLease(owner.runId);
          for (let i = 1; i <= 3; i++) await sweep(harness);
          expect(await stalledSweeps(harness, owner.runId)).toBe(3);
          const { version } = (await read(harness, owner.runId)).run;
          expect((await heal()).version).toBeGreaterThan(version);
          expect(await stalledSweeps(harness, owner.runId)).toBe(0);
          expect(await sweep(harness)).toEqual({ swept: true, ended: [], stalled: [] });
        }
        await harness.expireLease(owner.runId);
        for (let i = 1; i <= 3; i++) await sweep(harness);
        expect((await read(harness, owner.runId)).run).toMatchObject({ status: "queued", stalledSweeps: 3 });
      },
    },
    {
      title: "watches the lease of an owner that took the run over, or created it again",
      async run(harness) {
        const first = await owned(harness);
        await harness.expireLease(first.runId);
        await sweep(harness);
        const second = await claimBy(harness, first.runId);
        expect(await sweep(harness, 1)).toMatchObject({ ended: [], stalled: [] });
        await harness.lose(first.runId);
        await harness.store.recreate(recreateRequest(second));
        expect(await sweep(harness, 1)).toMatchObject({ ended: [], stalled: [] });
        await harness.expireLease(first.runId);
        expect(await sweep(harness, 1)).toMatchObject({ ended: [{ runId: first.runId, errorCode: "OWNER_LOST" }] });
      },
    },
    {
      title: "ends a run that nobody took in time, with a last line",
      async run(harness) {
        const created = await owned(harness, { owner: null });
        await joined(harness, created.runId).write(lines(1));
        await harness.ageQueued(created.runId);
        const ended = [{ runId: created.runId, errorCode: "NEVER_STARTED" }];
        expect(await sweep(harness)).toEqual({ swept: true, ended, stalled: [] });
        const { run, lines: stored } = await read(harness, created.runId);
        expect(stored).toEqual([line(0), line("never_started")]);
        expect(run).toMatchObject({ status: "failed", errorCode: "NEVER_STARTED", expectedLogCount: 2, startedAt: 0 });
        expect(await harness.store.claim(claimRequest(created.runId))).toEqual({ code: "RUN_ENDED", status: "failed" });
        expect(await harness.store.countOpen()).toBe(0);
      },
    },
    {
      title: "ends a run that was given back and that nobody took in time",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(1), { start: true });
        await owner.release();
        await harness.ageQueued(owner.runId);
        expect(await sweep(harness)).toMatchObject({ ended: [{ runId: owner.runId, errorCode: "NEVER_STARTED" }] });
      },
    },
    {
      title: "gives a run that was given back all the time again that a new one has",
      async run(harness) {
        const created = await owned(harness, { owner: null });
        await harness.ageQueued(created.runId);
        const owner = await claimBy(harness, created.runId);
        await owner.release();
        expect(await sweep(harness)).toEqual({ swept: true, ended: [], stalled: [] });
      },
    },
    {
      title: "leaves a run alone that was taken late, but before the sweep",
      async run(harness) {
        const created = await owned(harness, { owner: null });
        await harness.ageQueued(created.runId);
        await claimBy(harness, created.runId);
        expect(await sweep(harness, 1)).toEqual({ swept: true, ended: [], stalled: [] });
        expect((await read(harness, created.runId)).run.status).toBe("queued");
      },
    },
    {
      title: "begins an epoch with the last line of a run when the server is another one",
      async run(harness) {
        const [lost, unwanted] = [await owned(harness), await owned(harness, { owner: null })];
        await lost.write(lines(2));
        await harness.changeServer();
        await harness.expireLease(lost.runId);
        await harness.ageQueued(unwanted.runId);
        expect((await sweep(harness, 1)).ended).toHaveLength(2);
        for (const [producer, next] of [[lost, 3] as const, [unwanted, 1] as const]) {
          const { run } = await read(harness, producer.runId);
          expect(run).toMatchObject({ status: "failed", base: 0, first: 0, next, expectedLogCount: next });
          expect(run.epoch).not.toBe(producer.epoch);
        }
      },
    },
    {
      title: "counts lines that something else pushed before the last line",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(1));
        await harness.foreignPush(owner.runId, lines(2, 1));
        await harness.expireLease(owner.runId);
        await sweep(harness, 1);
        const { run, lines: stored } = await read(harness, owner.runId);
        expect(stored).toEqual([...lines(3), line("owner_lost")]);
        expect(run).toMatchObject({ next: 4, expectedLogCount: 4 });
      },
    },
    {
      title: "forgets open runs that vanished",
      async run(harness) {
        const owner = await owned(harness);
        await harness.expireLease(owner.runId);
        await harness.lose(owner.runId);
        expect(await sweep(harness, 1)).toEqual({ swept: true, ended: [], stalled: [] });
        expect(await harness.store.countOpen()).toBe(0);
      },
    },
  ],
};
