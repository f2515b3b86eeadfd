import { expect } from "vitest";
import type { StoreCases } from "./harness.js";
import { claimBy, joined, line, lines, newEpoch, owned, read, snapshot, unique } from "./scene.js";

export const readCases: StoreCases = {
  about: "reading a run",
  cases: [
    {
      title: "answers null for a run that is not there",
      async run(harness) {
        for (const kind of ["none", "at"] as const) {
          const from = kind === "at" ? { kind, epoch: "", index: 0 } : { kind };
          expect(await harness.store.read({ runId: unique("run"), from, limit: 10, known: null })).toBeNull();
        }
      },
    },
    {
      title: "gives a run page by page, each line once",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(25));
        const found: string[] = [];
        for (let index = 0; index < 25; ) {
          const from = { kind: "at", epoch: owner.epoch, index } as const;
          const page = await read(harness, owner.runId, { from, limit: 10 });
          expect(page.linesFrom).toBe(index);
          expect(page.lines).toHaveLength(Math.min(10, 25 - index));
          found.push(...page.lines);
          index += page.lines.length;
        }
        expect(found).toEqual(lines(25));
      },
    },
    {
      title: "gives nothing where the reader has everything",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(3));
        const from = { kind: "at", epoch: owner.epoch, index: 3 } as const;
        expect(await read(harness, owner.runId, { from })).toMatchObject({ lines: [], linesFrom: 3, run: { next: 3 } });
      },
    },
    {
      title: "gives the newest lines to a reader that asks for a tail",
      limits: { maxLines: 10 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(15));
        const tail = (count: number, limit = 1000) =>
          read(harness, owner.runId, { from: { kind: "tail", count }, limit });
        expect(await tail(3)).toMatchObject({ lines: lines(3, 12), linesFrom: 12 });
        expect(await tail(10)).toMatchObject({ lines: lines(10, 5), linesFrom: 5 });
        expect(await tail(12)).toMatchObject({ lines: lines(10, 5), linesFrom: 5 });
        expect(await tail(0)).toMatchObject({ lines: [], linesFrom: 15 });
      },
    },
    {
      title: "begins a tail where it begins, even if the page ends before the newest line",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(9));
        const page = await read(harness, owner.runId, { from: { kind: "tail", count: 6 }, limit: 2 });
        expect(page).toMatchObject({ lines: lines(2, 3), linesFrom: 3 });
      },
    },
    {
      title: "gives the state without a line to a reader that asks for none",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(3), { totals: "{}" });
        const answer = await read(harness, owner.runId, { from: { kind: "none" } });
        expect(answer).toMatchObject({ lines: [], run: { first: 0, next: 3 }, state: { layers: "", totals: ["{}"] } });
      },
    },
    {
      title: "begins at the oldest kept line when the reader's place is trimmed",
      limits: { maxLines: 4 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(10));
        const at = (index: number) =>
          read(harness, owner.runId, { from: { kind: "at", epoch: owner.epoch, index }, limit: 2 });
        expect(await at(2)).toMatchObject({ lines: lines(2, 6), linesFrom: 6, run: { first: 6, next: 10 } });
        expect(await at(5)).toMatchObject({ lines: lines(2, 6), linesFrom: 6 });
        expect(await at(7)).toMatchObject({ lines: lines(2, 7), linesFrom: 7 });
      },
    },
    {
      title: "begins at the oldest kept line when the reader's place is of another epoch",
      limits: { maxLines: 4 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(10));
        const from = { kind: "at", epoch: newEpoch(), index: 8 } as const;
        expect(await read(harness, owner.runId, { from })).toMatchObject({ lines: lines(4, 6), linesFrom: 6 });
      },
    },
    {
      title: "begins at the oldest kept line when the reader's place is beyond the newest",
      limits: { maxLines: 4 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(10));
        for (const epoch of ["", owner.epoch]) {
          const from = { kind: "at", epoch, index: 11 } as const;
          expect(await read(harness, owner.runId, { from })).toMatchObject({ lines: lines(4, 6), linesFrom: 6 });
        }
      },
    },
    {
      title: "believes an index that asserts no epoch",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(4));
        const from = { kind: "at", epoch: "", index: 2 } as const;
        expect(await read(harness, owner.runId, { from })).toMatchObject({ lines: lines(2, 2), linesFrom: 2 });
      },
    },
    {
      title: "leaves out the state that the reader has, and only that",
      async run(harness) {
        const owner = await owned(harness);
        const { version } = await owner.write(lines(1), { totals: "{}" });
        const state = { layers: "", totals: ["{}"] };
        const { epoch } = owner;
        const knowing = async (known: { epoch: string; version: number }) =>
          (await read(harness, owner.runId, { known })).state;
        expect(await knowing({ epoch, version })).toBeNull();
        expect(await knowing({ epoch, version: version - 1 })).toEqual(state);
        expect(await knowing({ epoch, version: version + 1 })).toEqual(state);
        expect(await knowing({ epoch: newEpoch(), version })).toEqual(state);
        await owner.write(lines(1));
        expect(await read(harness, owner.runId, { known: { epoch, version } })).toMatchObject({
          lines: [line(0), line(0)],
          state: null,
        });
        await owner.write([], { start: true });
        expect(await knowing({ epoch, version })).toEqual(state);
      },
    },
    {
      title: "says what time it is by the clock of the leases",
      async run(harness) {
        const owner = await owned(harness);
        const { now, run } = await read(harness, owner.runId);
        expect(run.leaseUntil - now).toBeGreaterThan(0);
        expect(run.leaseUntil - now).toBeLessThanOrEqual(owner.owner?.leaseMs ?? 0);
        await harness.expireLease(owner.runId);
        const later = await read(harness, owner.runId);
        expect(later.run.leaseUntil).toBeLessThanOrEqual(later.now);
        expect(later.run).toMatchObject({ status: "queued", stalledSweeps: 0, owner: owner.owner?.id });
      },
    },
    {
      title: "counts lines that something else pushed into a run of ours, without writing",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        const before = await snapshot(harness, owner.runId);
        await harness.foreignPush(owner.runId, lines(3, 2));
        const after = await snapshot(harness, owner.runId);
        expect(after).toEqual({ ...before, run: { ...before.run, next: 5 }, lines: lines(5) });
        expect(await snapshot(harness, owner.runId)).toEqual(after);
        const from = { kind: "at", epoch: owner.epoch, index: 4 } as const;
        expect(await read(harness, owner.runId, { from })).toMatchObject({ lines: lines(1, 4), linesFrom: 4 });
      },
    },
    {
      title: "goes on behind lines that something else pushed",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        await harness.foreignPush(owner.runId, lines(3, 2));
        expect(await owner.write(lines(2, 5))).toMatchObject({ next: 7 });
        await harness.foreignPush(owner.runId, lines(1, 7));
        expect(await owner.write([])).toMatchObject({ next: 8 });
        expect(await read(harness, owner.runId)).toMatchObject({ lines: lines(8), run: { first: 0, next: 8 } });
      },
    },
    {
      title: "trims lines that something else pushed by their number and their bytes",
      limits: { maxLines: 6, maxBufferBytes: 100 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        await harness.foreignPush(owner.runId, lines(6, 2));
        expect((await read(harness, owner.runId)).run).toMatchObject({ first: 0, next: 8 });
        await owner.write(["z"]);
        // 15 bytes each: five of them and the last line fit.
        expect(await read(harness, owner.runId)).toMatchObject({
          lines: [...lines(5, 3), "z"],
          run: { first: 3, next: 9 },
        });
        await harness.foreignPush(owner.runId, ["x".repeat(90)]);
        await owner.write(["y".repeat(10)]);
        expect((await read(harness, owner.runId)).run).toMatchObject({ first: 9, next: 11 });
      },
    },
    {
      title: "counts lines that something else pushed at the end of a run",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        await harness.foreignPush(owner.runId, lines(2, 2));
        expect(await owner.end({}, lines(1, 4))).toMatchObject({ code: "OK", next: 5 });
        const after = await read(harness, owner.runId);
        expect(after).toMatchObject({ lines: lines(5), run: { expectedLogCount: 5, next: 5 } });
      },
    },
    {
      title: "counts lines that something else pushed when a run is taken over or cancelled",
      async run(harness) {
        const first = await owned(harness);
        await harness.foreignPush(first.runId, lines(2));
        const second = await claimBy(harness, first.runId, { takeOver: true });
        expect(second.claimed.next).toBe(3);
        expect((await read(harness, first.runId)).lines).toEqual([...lines(2), line("owner_changed")]);
        await second.release();
        await harness.foreignPush(first.runId, lines(1));
        await harness.store.cancel(first.runId);
        expect((await read(harness, first.runId)).run).toMatchObject({ next: 4, expectedLogCount: 4 });
      },
    },
    {
      title: "gives one moment: lines, numbers, layers and totals belong together",
      async run(harness) {
        const owner = await owned(harness);
        const other = joined(harness, owner.runId);
        let done = false;
        const writing = (async () => {
          for (let i = 1; i <= 50; i++) await other.write(lines(1), { totals: String(i) });
          done = true;
        })();
        while (!done) {
          const { run, lines: stored, state } = await read(harness, owner.runId);
          expect(stored).toHaveLength(run.next);
          expect(Number(state?.totals[0] ?? 0)).toBe(run.next);
        }
        await writing;
      },
    },
  ],
};
