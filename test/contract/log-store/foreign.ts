import { expect } from "vitest";
import { seededRandom } from "../../support/seeded-random.js";
import type { StoreCases } from "./harness.js";
import { birth, claimBy, claimRequest, joined, line, lines, owned, read, snapshot, sweep, unique } from "./scene.js";

export const foreignCases: StoreCases = {
  about: "runs that something else writes",
  cases: [
    {
      title: "reads a run that something else writes: epoch 0, numbered by the length of its buffer",
      async run(harness) {
        const runId = unique("run");
        const meta = {
          status: "running",
          subject_id: "job-42",
          operation: "import",
          parent_id: "parent",
          metadata: '{"a":1}',
          created_at: "2026-01-14T10:00:00.000Z",
        };
        await harness.foreignRun(runId, { lines: lines(3), meta, layers: '{"a":{"status":"processing","order":0}}' });
        const { run, lines: stored, linesFrom, state } = await read(harness, runId);
        expect({ stored, linesFrom, state }).toEqual({
          stored: lines(3),
          linesFrom: 0,
          state: { layers: '{"a":{"status":"processing","order":0}}', totals: [] },
        });
        expect(run).toMatchObject({
          status: "running",
          epoch: "0",
          base: 0,
          first: 0,
          next: 3,
          expectedLogCount: null,
          lateLines: 0,
          subjectId: "job-42",
          operation: "import",
          parentId: "parent",
          metadata: '{"a":1}',
          createdAt: Date.parse("2026-01-14T10:00:00.000Z"),
        });
      },
    },
    {
      title: "follows such a run as it grows, page by page",
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(3), meta: { status: "running" } });
        const before = await read(harness, runId);
        await harness.foreignPush(runId, lines(4, 3));
        const from = { kind: "at", epoch: "0", index: 3 } as const;
        const after = await read(harness, runId, { from, limit: 3 });
        expect(after).toMatchObject({ lines: lines(3, 3), linesFrom: 3, run: { epoch: "0", first: 0, next: 7 } });
        expect(after.run.version).toBe(before.run.version);
        const tail = await read(harness, runId, { from: { kind: "tail", count: 2 } });
        expect(tail).toMatchObject({ lines: lines(2, 5), linesFrom: 5 });
      },
    },
    {
      title: "adds up the totals that the writers of such a run set, before and after one of ours joins it",
      async run(harness) {
        const runId = unique("run");
        const totals = { python: '{"b":{"openrouter":{"c":2,"n":2500000}}}', go: '{"b":{"openrouter":{"c":1}}}' };
        await harness.foreignRun(runId, { lines: lines(1), meta: { status: "running" }, totals });
        const texts = Object.values(totals);
        expect(new Set((await read(harness, runId)).state?.totals)).toEqual(new Set(texts));
        await joined(harness, runId).write([line(1)]);
        expect(new Set((await read(harness, runId)).state?.totals)).toEqual(new Set(texts));
      },
    },
    {
      title: "gives such a run a version of 32 bits that changes with meta, layers and totals and with nothing else",
      async run(harness) {
        const runId = unique("run");
        const versionOf = async (meta: Record<string, string>, layers: string, count = 1, total = "{}") => {
          await harness.foreignRun(runId, { lines: lines(count), meta, layers, totals: { python: total } });
          const { version } = (await read(harness, runId)).run;
          expect(Number.isInteger(version)).toBe(true);
          expect(version).toBeGreaterThanOrEqual(0);
          expect(version).toBeLessThan(2 ** 32);
          return version;
        };
        const version = await versionOf({ status: "running", step: "1" }, "{}");
        expect(await versionOf({ step: "1", status: "running" }, "{}", 2)).toBe(version);
        const others = [
          await versionOf({ status: "running", step: "2" }, "{}"),
          await versionOf({ status: "running" }, "{}"),
          await versionOf({ status: "running", step: "1", more: "" }, "{}"),
          await versionOf({ status: "running", step: "1" }, '{"a":1}'),
          await versionOf({ status: "completed", step: "1" }, "{}"),
          await versionOf({ step: "1", status: "running" }, "{}", 1, '{"b":{}}'),
        ];
        expect(new Set([version, ...others]).size).toBe(7);
      },
    },
    {
      title: "leaves out the state of such a run when the reader has it",
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(1), meta: { status: "running" }, layers: "{}" });
        const { version } = (await read(harness, runId)).run;
        expect((await read(harness, runId, { known: { epoch: "0", version } })).state).toBeNull();
        expect((await read(harness, runId, { known: { epoch: "0", version: version + 1 } })).state).toEqual({
          layers: "{}",
          totals: [],
        });
      },
    },
    {
      title: "says that such a run is complete at the length of its buffer when it expects no more",
      async run(harness) {
        for (const expected of [{}, { expected_count: "3" }, { expected_log_count: "2" }, { expected_count: "many" }]) {
          const runId = unique("run");
          const meta = { status: "completed", finished_at: "1768384800000", ...expected };
          await harness.foreignRun(runId, { lines: lines(3), meta });
          expect(await read(harness, runId)).toMatchObject({
            lines: lines(3),
            run: {
              status: "completed",
              epoch: "0",
              first: 0,
              next: 3,
              expectedLogCount: 3,
              finishedAt: 1768384800000,
            },
          });
        }
      },
    },
    {
      title: "numbers the lines of such a run from its end when it has ended and expects more than there are",
      async run(harness) {
        for (const field of ["expected_count", "expected_log_count"]) {
          const runId = unique("run");
          const meta = { status: "failed", [field]: "10", finished_at: "2026-01-14T10:00:00Z" };
          await harness.foreignRun(runId, { lines: lines(4, 6), meta });
          const { run, lines: stored, linesFrom } = await read(harness, runId);
          expect({ stored, linesFrom }).toEqual({ stored: lines(4, 6), linesFrom: 6 });
          expect(run).toMatchObject({
            status: "failed",
            epoch: "1",
            base: 0,
            first: 6,
            next: 10,
            expectedLogCount: 10,
            finishedAt: Date.parse("2026-01-14T10:00:00Z"),
          });
          const of = async (epoch: string, index: number) =>
            (await read(harness, runId, { from: { kind: "at", epoch, index } })).linesFrom;
          expect([await of("1", 8), await of("0", 8), await of("1", 3), await of("1", 10)]).toEqual([8, 6, 6, 10]);
        }
      },
    },
    {
      title: "does not number such a run from its end while it is open",
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(4), meta: { status: "running", expected_count: "10" } });
        expect((await read(harness, runId)).run).toMatchObject({
          epoch: "0",
          first: 0,
          next: 4,
          expectedLogCount: null,
        });
      },
    },
    {
      title: "adopts such a run with its lines, and goes on behind them",
      async run(harness) {
        const runId = unique("run");
        const meta = { status: "running", subject_id: "job-42", operation: "import" };
        await harness.foreignRun(runId, { lines: lines(3), meta, layers: "{}" });
        const owner = await claimBy(harness, runId);
        expect(owner.claimed).toMatchObject({ next: 3, attempt: 1, status: "running", layers: "{}" });
        expect(owner.epoch).not.toBe("0");
        expect(await owner.write(lines(2, 3))).toMatchObject({ next: 5 });
        const { run, lines: stored } = await read(harness, runId);
        expect(stored).toEqual(lines(5));
        expect(run).toMatchObject({
          epoch: owner.epoch,
          base: 0,
          first: 0,
          next: 5,
          owner: owner.owner?.id,
          subjectId: "job-42",
          operation: "import",
        });
      },
    },
    {
      title: "takes from who adopts such a run what its writer left unsaid",
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: [], meta: { status: "running", subject_id: "job-42" } });
        const { claimed } = await claimBy(harness, runId, {
          birth: birth({ subjectId: "other", operation: "import" }),
        });
        expect(claimed.next).toBe(0);
        const { run, now } = await read(harness, runId);
        expect(run).toMatchObject({ subjectId: "job-42", operation: "import" });
        expect(run.createdAt).toBeGreaterThan(0);
        expect(run.createdAt).toBeLessThanOrEqual(now);
        expect(await harness.store.list({ limit: 10 })).toMatchObject([{ run_id: runId, operation: "import" }]);
      },
    },
    {
      title: "lets a producer join such a run, and keeps its lines",
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(3), meta: { status: "running" } });
        const other = joined(harness, runId);
        expect(await other.append(lines(2, 3))).toMatchObject({ code: "OK", next: 5 });
        expect(other.epoch).not.toBe("0");
        expect(await other.append(lines(1, 5))).toMatchObject({ code: "OK", next: 6, epoch: other.epoch });
        await harness.foreignPush(runId, lines(1, 6));
        const { run, lines: stored } = await read(harness, runId);
        expect(stored).toEqual(lines(7));
        expect(run).toMatchObject({ epoch: other.epoch, first: 0, next: 7, status: "running" });
      },
    },
    {
      title: "trims such a run once one of ours writes to it",
      limits: { maxLines: 4, maxBufferBytes: 60 },
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(6), meta: { status: "running" } });
        await joined(harness, runId).write([line(6)]);
        const after = await read(harness, runId);
        expect(after).toMatchObject({ lines: lines(4, 3), run: { first: 3, next: 7 } });
      },
    },
    {
      title: "keeps exactly the newest lines within both caps, whoever pushes how many of which size",
      limits: { maxLines: 300, maxBufferBytes: 6000 },
      async run(harness) {
        const random = seededRandom(4);
        let owner = await owned(harness);
        let kept: string[] = [];
        const trim = () => {
          while (kept.length > 300 || (kept.length > 1 && Buffer.byteLength(kept.join("")) > 6000))
            kept = kept.slice(1);
        };
        for (let step = 0; step < 80; step += 1) {
          if (step % 9 === 7) {
            owner = await claimBy(harness, owner.runId, { takeOver: true });
            kept.push(line("owner_changed"));
            trim();
          }
          const largest = random.pick([3, 20, 60, 900]);
          const texts = Array.from({ length: random.pick([1, 1, 2, 7, 64, 65, 130, 310]) }, (_, i) =>
            `${step}.${i} ${random.pick(["x", "é", "🚀"])}`.padEnd(random.between(1, largest), "."),
          );
          kept.push(...texts);
          if (step % 9 === 4) await harness.foreignPush(owner.runId, texts);
          else {
            await owner.write(texts);
            trim();
            const { lines: stored, run } = await read(harness, owner.runId);
            expect([step, run.next - run.first, stored]).toEqual([step, kept.length, kept]);
          }
        }
      },
    },
    {
      title: "refuses to claim such a run, or to write to it, when it has ended",
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(3), meta: { status: "completed" } });
        const ended = { code: "RUN_ENDED", status: "completed" };
        expect(await harness.store.claim(claimRequest(runId))).toEqual(ended);
        expect(await joined(harness, runId).append(lines(1), { logged: 0 })).toEqual(ended);
        const cancel = await harness.store.cancel(runId);
        expect(cancel).toMatchObject({ code: "OK", status: "completed" });
        expect((await read(harness, runId)).run).toMatchObject({ epoch: "0", next: 3, expectedLogCount: 3 });
      },
    },
    {
      title: "takes a run whose writer says error for one that has failed",
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(3), meta: { status: "error", expected_count: "5" } });
        const before = await snapshot(harness, runId);
        expect(before.run).toMatchObject({ status: "failed", epoch: "1", next: 5, expectedLogCount: 5 });
        const ended = { code: "RUN_ENDED", status: "failed" };
        expect(await harness.store.claim(claimRequest(runId))).toEqual(ended);
        expect(await joined(harness, runId).append(lines(1), { logged: 0 })).toEqual(ended);
        const cancel = await harness.store.cancel(runId);
        expect(cancel).toEqual({ code: "OK", status: "failed", cancelRequested: false });
        expect(await snapshot(harness, runId)).toEqual(before);
        expect(await harness.store.remove(runId)).toBe("OK");
      },
    },
    {
      title: "sets the flag of such a run when it is cancelled, and leaves its end to what writes it",
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(1), meta: { status: "running" } });
        const { version } = (await read(harness, runId)).run;
        const answer = await harness.store.cancel(runId);
        expect(answer).toEqual({ code: "OK", status: "running", cancelRequested: true });
        const { run } = await read(harness, runId);
        expect(run).toMatchObject({ status: "running", epoch: "0", cancelRequested: true });
        expect(run.version).not.toBe(version);
      },
    },
    {
      title: "leaves such a run alone when it sweeps",
      async run(harness) {
        const runId = unique("run");
        await harness.foreignRun(runId, { lines: lines(1), meta: { status: "queued", created_at: "1000" } });
        const before = await snapshot(harness, runId);
        expect(await sweep(harness, 1)).toEqual({ swept: true, ended: [], stalled: [] });
        expect(await snapshot(harness, runId)).toEqual(before);
      },
    },
  ],
};
