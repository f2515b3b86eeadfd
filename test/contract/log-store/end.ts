import { expect } from "vitest";
import type { StoreCases } from "./harness.js";
import { accepted, claimBy, joined, line, lines, newEpoch, owned, read, snapshot, unique } from "./scene.js";
import { expectTtl } from "./state.js";

export const endCases: StoreCases = {
  about: "ending, giving back and cancelling a run",
  cases: [
    {
      title: "ends a run with its last lines",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2), { start: true });
        const answer = accepted(await owner.end({ totals: '{"calls":3}' }, lines(2, 2)));
        expect(answer).toMatchObject({ epoch: owner.epoch, next: 4 });
        const { run, lines: stored, state, now } = await read(harness, owner.runId);
        expect(stored).toEqual(lines(4));
        expect(state?.totals).toEqual(['{"calls":3}']);
        expect(run).toMatchObject({
          status: "completed",
          next: 4,
          expectedLogCount: 4,
          version: answer.version,
          error: "",
          errorCode: "",
        });
        expect(run.finishedAt).toBeGreaterThanOrEqual(run.startedAt);
        expect(run.finishedAt).toBeLessThanOrEqual(now);
      },
    },
    {
      title: "expects all lines that there ever were, also those that it does not keep",
      limits: { maxLines: 3 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(5));
        expect(await owner.end({}, lines(5, 5))).toMatchObject({ next: 10 });
        const { run, lines: stored } = await read(harness, owner.runId);
        expect(stored).toEqual(lines(3, 7));
        expect(run).toMatchObject({ first: 7, next: 10, expectedLogCount: 10 });
      },
    },
    {
      title: "keeps the result of a completed run",
      async run(harness) {
        const owner = await owned(harness);
        expect(await harness.store.readResult(owner.runId)).toBeNull();
        await owner.end({ result: '{"pages":[1,2,"ä"]}' });
        expect(await harness.store.readResult(owner.runId)).toBe('{"pages":[1,2,"ä"]}');
      },
    },
    {
      title: "tells an empty result from none",
      async run(harness) {
        const [none, empty] = [await owned(harness), await owned(harness)];
        await none.end();
        await empty.end({ result: "null" });
        expect(await harness.store.readResult(none.runId)).toBeNull();
        expect(await harness.store.readResult(empty.runId)).toBe("null");
        expect(await harness.store.readResult(unique("run"))).toBeNull();
      },
    },
    {
      title: "keeps why a run failed",
      async run(harness) {
        const owner = await owned(harness);
        await owner.end({ status: "failed", error: "Grüße", errorCode: "BOOM" });
        expect((await read(harness, owner.runId)).run).toMatchObject({
          status: "failed",
          error: "Grüße",
          errorCode: "BOOM",
          expectedLogCount: 0,
        });
      },
    },
    {
      title: "takes the status that the owner sends, also after a cancel was asked for",
      async run(harness) {
        for (const status of ["completed", "cancelled"] as const) {
          const owner = await owned(harness);
          await harness.store.cancel(owner.runId);
          await owner.end({ status });
          expect((await read(harness, owner.runId)).run).toMatchObject({ status, cancelRequested: true });
        }
      },
    },
    {
      title: "ends a run once: a second end changes nothing and says what stands",
      async run(harness) {
        const owner = await owned(harness);
        const request = { result: "1" };
        await owner.end(request, lines(2));
        const before = await snapshot(harness, owner.runId);
        expect(await owner.end(request)).toEqual({ code: "RUN_ENDED", status: "completed" });
        const other = { status: "failed", error: "no", errorCode: "NO", result: "2", totals: "{}" } as const;
        expect(await owner.end(other)).toEqual({ code: "RUN_ENDED", status: "completed" });
        expect(await snapshot(harness, owner.runId)).toEqual(before);
        expect(await harness.store.readResult(owner.runId)).toBe("1");
      },
    },
    {
      title: "ends with lines of which it has some already, storing only the rest",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(3));
        expect(await owner.end({ first: 1 }, lines(4, 1))).toMatchObject({ code: "OK", next: 5 });
        expect((await read(harness, owner.runId)).lines).toEqual(lines(5));
      },
    },
    {
      title: "checks an end as it checks lines, and changes nothing when it refuses",
      async run(harness) {
        const first = await owned(harness);
        await first.write(lines(2));
        const second = await claimBy(harness, first.runId, { takeOver: true });
        const before = await snapshot(harness, first.runId);
        expect(await first.end({}, lines(1, 2))).toEqual({ code: "FENCED" });
        expect(await second.end({ first: 1 }, lines(1))).toEqual({ code: "ORDER", have: 0 });
        expect(await second.end({ epoch: newEpoch(), result: "1" })).toMatchObject({ code: "EPOCH", have: 0, next: 3 });
        expect(await snapshot(harness, first.runId)).toEqual(before);
        expect(await harness.store.readResult(first.runId)).toBeNull();
        expect(await second.end({ runId: unique("run") })).toEqual({ code: "GONE" });
      },
    },
    {
      title: "refuses lines after the end and counts them as late, once however often they come",
      async run(harness) {
        const owner = await owned(harness);
        const other = joined(harness, owner.runId);
        await other.write(lines(2));
        await owner.end();
        const { version } = (await read(harness, owner.runId)).run;
        const request = other.request(lines(3, 2));
        for (let i = 0; i < 3; i++) {
          expect(await harness.store.append(request)).toEqual({ code: "RUN_ENDED", status: "completed" });
        }
        const { run, lines: stored } = await read(harness, owner.runId);
        expect(stored).toEqual(lines(2));
        expect(run).toMatchObject({ lateLines: 3, next: 2, expectedLogCount: 2 });
        expect(run.version).toBeGreaterThan(version);
      },
    },
    {
      title: "sets the late lines of each producer and adds the producers up",
      async run(harness) {
        const owner = await owned(harness);
        const others = [joined(harness, owner.runId), joined(harness, owner.runId)] as const;
        await owner.end({}, lines(4));
        await others[0].append(lines(3));
        await others[1].append(lines(5));
        await others[0].append(lines(1), { logged: 10 });
        await others[0].append([], { logged: 10 });
        const { run } = await read(harness, owner.runId);
        expect(run.lateLines).toBe(15);
        await owner.append([], { logged: 4 });
        expect((await read(harness, owner.runId)).run).toEqual(run);
        await owner.end({ logged: 6 });
        expect((await read(harness, owner.runId)).run.lateLines).toBe(17);
      },
    },
    {
      title: "lets every key of an ended run live for six hours",
      async run(harness) {
        const owner = await owned(harness);
        const layers = { text: "{}", replacesSha1: "" };
        await owner.write(lines(1), { totals: "{}", layers });
        await owner.end({ result: "1" });
        await expectTtl(harness, owner.runId, 21_600, ["meta", "buffer", "layers", "producers", "result"]);
        await joined(harness, owner.runId).append(lines(1));
        await expectTtl(harness, owner.runId, 21_600, ["meta", "buffer", "layers", "producers", "result"]);
      },
    },
    {
      title: "sets the time to live of late lines' count where there was no producer before",
      limits: { endedTtlSeconds: 1000 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.end();
        await joined(harness, owner.runId).append(lines(1));
        await expectTtl(harness, owner.runId, 1000, ["meta", "producers"]);
      },
    },
    {
      title: "gives a run back: queued, without an owner, with its lines and the last ones",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2), { start: true });
        const answer = accepted(await owner.release({}, lines(2, 2)));
        expect(answer).toMatchObject({ epoch: owner.epoch, next: 4 });
        const { run, lines: stored } = await read(harness, owner.runId);
        expect(stored).toEqual(lines(4));
        expect(run).toMatchObject({
          status: "queued",
          owner: "",
          ownerUrl: "",
          leaseUntil: 0,
          attempt: 1,
          expectedLogCount: null,
          version: answer.version,
          finishedAt: 0,
        });
      },
    },
    {
      title: "gives a run back once: the same request again changes nothing and is answered alike",
      async run(harness) {
        const owner = await owned(harness);
        const { layers: _, ...request } = owner.request(lines(2));
        const answer = await harness.store.release(request);
        const before = await snapshot(harness, owner.runId);
        expect(await harness.store.release(request)).toEqual(answer);
        expect(await snapshot(harness, owner.runId)).toEqual(before);
      },
    },
    {
      title: "does not give back what another owner has",
      async run(harness) {
        const first = await owned(harness);
        await first.release();
        const second = await claimBy(harness, first.runId);
        expect(await first.release()).toEqual({ code: "FENCED" });
        expect((await read(harness, first.runId)).run.owner).toBe(second.owner?.id);
        await second.end();
        expect(await second.release()).toEqual({ code: "RUN_ENDED", status: "completed" });
      },
    },
    {
      title: "asks the owner of a run to cancel it, and leaves it open",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(1), { start: true });
        const answer = { code: "OK", status: "running", cancelRequested: true };
        expect(await harness.store.cancel(owner.runId)).toEqual(answer);
        const before = await snapshot(harness, owner.runId);
        expect(before.run).toMatchObject({ status: "running", cancelRequested: true, expectedLogCount: null });
        expect(await harness.store.cancel(owner.runId)).toEqual(answer);
        expect(await snapshot(harness, owner.runId)).toEqual(before);
      },
    },
    {
      title: "asks a stalled owner, too",
      async run(harness) {
        const owner = await owned(harness);
        await harness.expireLease(owner.runId);
        const answer = await harness.store.cancel(owner.runId);
        expect(answer).toEqual({ code: "OK", status: "queued", cancelRequested: true });
      },
    },
    {
      title: "ends a run without an owner at once when it is cancelled",
      async run(harness) {
        const created = await owned(harness, { owner: null });
        await joined(harness, created.runId).write(lines(3));
        const answer = { code: "OK", status: "cancelled", cancelRequested: true };
        expect(await harness.store.cancel(created.runId)).toEqual(answer);
        const before = await snapshot(harness, created.runId);
        expect(before.run).toMatchObject({ status: "cancelled", cancelRequested: true, expectedLogCount: 3 });
        expect(before.run.finishedAt).toBeGreaterThan(0);
        expect(before.lines).toEqual(lines(3));
        expect(await harness.store.cancel(created.runId)).toEqual(answer);
        expect(await snapshot(harness, created.runId)).toEqual(before);
        await expectTtl(harness, created.runId, 21_600, ["meta", "buffer", "producers"]);
        expect(await harness.store.countOpen()).toBe(0);
      },
    },
    {
      title: "says how an ended run ended when it is cancelled",
      async run(harness) {
        const owner = await owned(harness);
        await owner.end({}, [line("done")]);
        const before = await snapshot(harness, owner.runId);
        const answer = await harness.store.cancel(owner.runId);
        expect(answer).toEqual({ code: "OK", status: "completed", cancelRequested: false });
        expect(await snapshot(harness, owner.runId)).toEqual(before);
        expect(await harness.store.cancel(unique("run"))).toEqual({ code: "GONE" });
      },
    },
  ],
};
