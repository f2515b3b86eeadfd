import { expect } from "vitest";
import type { StoreCases } from "./harness.js";
import {
  accepted,
  claimBy,
  joined,
  line,
  lines,
  newEpoch,
  owned,
  read,
  recreateRequest,
  snapshot,
  unique,
} from "./scene.js";

export const epochCases: StoreCases = {
  about: "epochs and loss",
  cases: [
    {
      title: "answers the stored epoch to a producer that knows another one, and changes nothing",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(3));
        const before = await snapshot(harness, owner.runId);
        expect(await harness.store.append(owner.request(lines(1), { epoch: newEpoch() }))).toEqual({
          code: "EPOCH",
          epoch: before.run.epoch,
          have: 3,
          next: 3,
        });
        expect(await snapshot(harness, owner.runId)).toEqual(before);
      },
    },
    {
      title: "begins an epoch when the store has fewer of a producer's lines than it acknowledged",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(5));
        await harness.rollBack(owner.runId, 2);
        // It was told no `next` that would show the loss.
        const request = owner.request(lines(1, 5), { told: 0 });
        expect(await harness.store.append(request)).toEqual({
          code: "EPOCH",
          epoch: request.newEpoch,
          have: 3,
          next: 3,
        });
        const after = await read(harness, owner.runId);
        expect(after.run).toMatchObject({ epoch: request.newEpoch, base: 0, first: 0, next: 3 });
        expect(after.lines).toEqual(lines(3));
      },
    },
    {
      title: "begins an epoch when the store's next is below what the producer was told",
      async run(harness) {
        const owner = await owned(harness);
        const other = joined(harness, owner.runId);
        await other.write(lines(5));
        await owner.write([]);
        await harness.rollBack(owner.runId, 2);
        const request = owner.request(lines(1));
        expect(request).toMatchObject({ acked: 0, told: 5 });
        expect(await harness.store.append(request)).toEqual({
          code: "EPOCH",
          epoch: request.newEpoch,
          have: 0,
          next: 3,
        });
        expect((await read(harness, owner.runId)).lines).toEqual(lines(3));
      },
    },
    {
      title: "begins an epoch when the server is another one, though nothing is missing",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        await harness.changeServer();
        const request = owner.request(lines(1, 2));
        expect(await harness.store.append(request)).toEqual({
          code: "EPOCH",
          epoch: request.newEpoch,
          have: 2,
          next: 2,
        });
        const after = await read(harness, owner.runId);
        expect(after.run).toMatchObject({ epoch: request.newEpoch, base: 0, first: 0, next: 2, status: "queued" });
        expect(after.lines).toEqual(lines(2));
      },
    },
    {
      title: "begins an epoch on another server for a producer that knows none, too",
      async run(harness) {
        const owner = await owned(harness);
        await harness.changeServer();
        const request = joined(harness, owner.runId).request(lines(1));
        expect(await harness.store.append(request)).toEqual({
          code: "EPOCH",
          epoch: request.newEpoch,
          have: 0,
          next: 0,
        });
        expect(await owner.append([])).toMatchObject({ code: "EPOCH", epoch: request.newEpoch });
      },
    },
    {
      title: "goes on in the new epoch from what the store has, and loses nothing that is sent again",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(5));
        await harness.rollBack(owner.runId, 2);
        expect(await owner.append(lines(1, 5))).toMatchObject({ code: "EPOCH", have: 3 });
        expect(await owner.write(lines(3, 3))).toMatchObject({ next: 6, epoch: owner.epoch });
        expect((await read(harness, owner.runId)).lines).toEqual(lines(6));
      },
    },
    {
      title: "begins one epoch after a loss, however many producers miss lines",
      async run(harness) {
        const owner = await owned(harness);
        const others = [joined(harness, owner.runId), joined(harness, owner.runId)];
        for (const producer of [owner, ...others]) await producer.write(lines(3));
        for (const producer of [owner, ...others]) await producer.append([]);
        await harness.rollBack(owner.runId, 2);
        const begun = await owner.append(lines(1, 3));
        expect(begun).toMatchObject({ code: "EPOCH", have: 1, next: 7 });
        for (const producer of others) {
          expect(await producer.append(lines(1, 3))).toMatchObject({ code: "EPOCH", epoch: owner.epoch, have: 1 });
        }
        for (const producer of [owner, ...others, owner, ...others]) {
          expect(await producer.append(lines(1))).toMatchObject({ code: "OK", epoch: owner.epoch });
        }
      },
    },
    {
      title: "begins one epoch on another server, however many producers find that out",
      async run(harness) {
        const owner = await owned(harness);
        const other = joined(harness, owner.runId);
        await owner.write(lines(1));
        await other.write(lines(1));
        await harness.changeServer();
        expect(await other.append(lines(1))).toMatchObject({ code: "EPOCH" });
        expect(await owner.append(lines(1))).toMatchObject({ code: "EPOCH", epoch: other.epoch });
        expect(await other.append(lines(1))).toMatchObject({ code: "OK", epoch: other.epoch });
        expect(await owner.append(lines(1))).toMatchObject({ code: "OK", epoch: other.epoch });
      },
    },
    {
      title: "answers a request that began an epoch, when it comes again, with that epoch",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(1));
        await harness.changeServer();
        const request = owner.request(lines(1));
        const answer = await harness.store.append(request);
        expect(answer).toMatchObject({ code: "EPOCH" });
        expect(await harness.store.append({ ...request, newEpoch: newEpoch() })).toEqual(answer);
      },
    },
    {
      title: "does not end or give back a run in an epoch that has to be cleared up first",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(1), { start: true });
        await harness.changeServer();
        expect(await owner.end({}, [line("last")])).toMatchObject({ code: "EPOCH", have: 1, next: 1 });
        await harness.changeServer();
        expect(await owner.release({}, [line("last")])).toMatchObject({ code: "EPOCH", have: 1, next: 1 });
        expect((await read(harness, owner.runId)).run).toMatchObject({
          status: "running",
          owner: owner.owner?.id,
          next: 1,
        });
        expect(await owner.end({}, [line("last")])).toMatchObject({ code: "OK", next: 2 });
      },
    },
    {
      title: "does not touch lease or totals when it answers EPOCH",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(1));
        await harness.expireLease(owner.runId);
        await harness.changeServer();
        await owner.append(lines(1), { totals: '{"calls":1}', layers: { text: "{}", replacesSha1: "" }, start: true });
        const { run, now, state } = await read(harness, owner.runId);
        expect(run.leaseUntil).toBeLessThanOrEqual(now);
        expect(run.status).toBe("queued");
        expect(state).toEqual({ layers: "", totals: [] });
      },
    },
    {
      title: "leaves a gap where only the buffer was lost, and the next line has the next index",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(4));
        await harness.loseBufferOnly(owner.runId);
        const lost = await read(harness, owner.runId);
        expect(lost).toMatchObject({
          lines: [],
          linesFrom: 4,
          run: { epoch: owner.epoch, base: 0, first: 4, next: 4 },
        });
        expect(await owner.write(lines(2, 4))).toMatchObject({ next: 6, epoch: owner.epoch });
        const after = await read(harness, owner.runId);
        expect(after).toMatchObject({ lines: lines(2, 4), linesFrom: 4, run: { first: 4, next: 6 } });
      },
    },
    {
      title: "trims by what is there after the buffer was lost",
      limits: { maxLines: 4, maxBufferBytes: 100 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(Array.from({ length: 4 }, () => "x".repeat(25)));
        await harness.loseBufferOnly(owner.runId);
        const texts = Array.from({ length: 4 }, () => "y".repeat(25));
        for (const text of texts) await owner.write([text]);
        expect(await read(harness, owner.runId)).toMatchObject({ lines: texts, run: { first: 4, next: 8 } });
      },
    },
    {
      title: "creates a lost run again: a new epoch from the first index that its owner still has",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(10), { start: true });
        await harness.lose(owner.runId);
        const request = recreateRequest(owner, {
          base: 7,
          have: 7,
          attempt: 3,
          totals: '{"calls":2}',
          layers: '{"a":{"status":"running","order":0}}',
          cancelRequested: true,
        });
        const answer = accepted(await harness.store.recreate(request));
        expect(answer).toMatchObject({ epoch: request.newEpoch, next: 7 });
        const { run, lines: stored, linesFrom, state, now } = await read(harness, owner.runId);
        expect({ stored, linesFrom, state }).toEqual({
          stored: [],
          linesFrom: 7,
          state: { layers: request.layers, totals: [request.totals] },
        });
        expect(run).toMatchObject({
          status: "running",
          epoch: request.newEpoch,
          base: 7,
          first: 7,
          next: 7,
          version: answer.version,
          expectedLogCount: null,
          lateLines: 0,
          owner: owner.owner?.id,
          ownerUrl: owner.owner?.url,
          stalledSweeps: 0,
          attempt: 3,
          cancelRequested: true,
          subjectId: "subject",
          operation: "operation",
          createdAt: request.createdAt,
          startedAt: request.startedAt,
        });
        expect(run.leaseUntil).toBeGreaterThan(now);
      },
    },
    {
      title: "goes on in a run that was created again from what its owner sends again",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(10));
        await harness.lose(owner.runId);
        const { epoch } = accepted(await harness.store.recreate(recreateRequest(owner, { base: 7, have: 7 })));
        expect(await owner.append(lines(3, 7))).toEqual({ code: "EPOCH", epoch, have: 7, next: 7 });
        expect(await owner.write(lines(4, 7))).toMatchObject({ next: 11 });
        const after = await read(harness, owner.runId);
        expect(after).toMatchObject({ lines: lines(4, 7), linesFrom: 7, run: { base: 7, first: 7, next: 11 } });
      },
    },
    {
      title: "keeps the fence of a run that was created again",
      async run(harness) {
        const first = await owned(harness);
        const second = await claimBy(harness, first.runId, { takeOver: true });
        await harness.lose(first.runId);
        const { epoch } = accepted(await harness.store.recreate(recreateRequest(second)));
        expect(await first.append(lines(1))).toEqual({ code: "FENCED" });
        expect(await second.append(lines(1), { epoch, told: 0 })).toMatchObject({ code: "OK", next: 1 });
      },
    },
    {
      title: "creates a run again only where there is none",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        const before = await snapshot(harness, owner.runId);
        expect(await harness.store.recreate(recreateRequest(owner, { base: 2, have: 2 }))).toEqual({ code: "EXISTS" });
        expect(await snapshot(harness, owner.runId)).toEqual(before);
      },
    },
    {
      title: "answers a request to create a run again, when it comes again, as before",
      async run(harness) {
        const owner = await owned(harness);
        await harness.lose(owner.runId);
        const request = recreateRequest(owner, { base: 2 });
        const answer = accepted(await harness.store.recreate(request));
        const before = await snapshot(harness, owner.runId);
        expect(await harness.store.recreate(request)).toEqual(answer);
        expect(await snapshot(harness, owner.runId)).toEqual(before);
      },
    },
    {
      title: "has forgotten the other producers of a run that was created again",
      async run(harness) {
        const owner = await owned(harness);
        const other = joined(harness, owner.runId);
        await other.write(lines(3), { totals: '{"calls":9}' });
        await harness.lose(owner.runId);
        accepted(await harness.store.recreate(recreateRequest(owner, { base: 3 })));
        expect(await other.append(lines(1, 3))).toMatchObject({ code: "EPOCH", have: 0, next: 3 });
        expect(await other.append(lines(4))).toMatchObject({ code: "OK", next: 7 });
        expect((await read(harness, owner.runId)).state?.totals).toEqual([]);
      },
    },
    {
      title: "lists and counts a run that was created again as open",
      async run(harness) {
        const runId = unique("run");
        const owner = await claimBy(harness, runId);
        await harness.lose(runId);
        accepted(await harness.store.recreate(recreateRequest(owner, { base: 5 })));
        expect(await harness.store.list({ limit: 10, status: "running" })).toMatchObject([
          { run_id: runId, total_count: 5 },
        ]);
        expect(await harness.store.countOpen()).toBe(1);
      },
    },
  ],
};
