import { expect } from "vitest";
import type { StoreCases } from "./harness.js";
import {
  accepted,
  birth,
  claimBy,
  claimRequest,
  joined,
  line,
  lines,
  newEpoch,
  owned,
  ownerLease,
  read,
  snapshot,
  sweep,
  unique,
} from "./scene.js";

export const claimCases: StoreCases = {
  about: "claiming a run",
  cases: [
    {
      title: "creates a run that nobody has, queued and owned by the claimer",
      async run(harness) {
        const request = claimRequest(unique("run"), { birth: birth({ parentId: "parent", metadata: '{"a":1}' }) });
        const answer = accepted(await harness.store.claim(request));
        expect(answer).toMatchObject({
          epoch: request.newEpoch,
          next: 0,
          attempt: 1,
          status: "queued",
          cancelRequested: false,
          layers: "",
        });
        const { run, lines: stored, now } = await read(harness, request.runId);
        expect(stored).toEqual([]);
        expect(run).toMatchObject({
          runId: request.runId,
          status: "queued",
          epoch: request.newEpoch,
          base: 0,
          first: 0,
          next: 0,
          version: answer.version,
          expectedLogCount: null,
          lateLines: 0,
          owner: request.owner?.id,
          ownerUrl: request.owner?.url,
          stalledSweeps: 0,
          attempt: 1,
          cancelRequested: false,
          subjectId: "subject",
          operation: "operation",
          parentId: "parent",
          metadata: '{"a":1}',
          error: "",
          errorCode: "",
          startedAt: 0,
          finishedAt: 0,
        });
        expect(run.createdAt).toBeLessThanOrEqual(now);
        expect(run.leaseUntil).toBeGreaterThan(now);
      },
    },
    {
      title: "answers a claim that comes again as before, whatever was written since",
      async run(harness) {
        const request = claimRequest(unique("run"));
        const answer = accepted(await harness.store.claim(request));
        const before = await snapshot(harness, request.runId);
        expect(await harness.store.claim({ ...request, newEpoch: newEpoch() })).toEqual(answer);
        expect(await snapshot(harness, request.runId)).toEqual(before);
        await joined(harness, request.runId).write(lines(3));
        expect(await harness.store.claim(request)).toEqual({ ...answer, next: 3 });
      },
    },
    {
      title: "answers the claim of an adopter that comes again as before: it created nothing",
      async run(harness) {
        const { runId } = await owned(harness, { owner: null });
        const request = claimRequest(runId);
        const answer = accepted(await harness.store.claim(request));
        expect(answer).toMatchObject({ attempt: 1 });
        expect(await harness.store.claim(request)).toEqual(answer);
      },
    },
    {
      title: "refuses a run with a live lease, naming its owner and changing nothing",
      async run(harness) {
        const { runId, owner } = await owned(harness);
        const before = await snapshot(harness, runId);
        expect(await harness.store.claim(claimRequest(runId))).toEqual({ code: "OWNED", owner: owner?.id });
        expect(await snapshot(harness, runId)).toEqual(before);
      },
    },
    {
      title:
        "takes a live run over when told to: higher fence, next attempt, numbering goes on after an owner_changed line",
      async run(harness) {
        const first = await owned(harness);
        await first.write(lines(2));
        const second = await claimBy(harness, first.runId, { takeOver: true });
        expect(second.claimed).toMatchObject({ epoch: first.epoch, next: 3, attempt: 2 });
        expect(second.fence).toBeGreaterThan(first.fence);
        expect(second.claimed.version).toBeGreaterThan(first.claimed.version);
        await second.write([line("more")]);
        const { run, lines: stored } = await read(harness, first.runId);
        expect(stored).toEqual([...lines(2), line("owner_changed"), line("more")]);
        expect(run).toMatchObject({ owner: second.owner?.id, ownerUrl: second.owner?.url, attempt: 2, next: 4 });
        expect(await first.append([line("too late")])).toEqual({ code: "FENCED" });
      },
    },
    {
      title: "writes one owner_changed line however often a takeover is asked for again",
      async run(harness) {
        const { runId } = await owned(harness);
        const request = claimRequest(runId, { takeOver: true });
        const answer = await harness.store.claim(request);
        expect(await harness.store.claim(request)).toEqual(answer);
        expect((await read(harness, runId)).lines).toEqual([line("owner_changed")]);
      },
    },
    {
      title: "refuses a claim that comes again after somebody else took the run over",
      async run(harness) {
        const request = claimRequest(unique("run"));
        await harness.store.claim(request);
        const second = await claimBy(harness, request.runId, { takeOver: true });
        expect(await harness.store.claim(request)).toEqual({ code: "OWNED", owner: second.owner?.id });
      },
    },
    {
      title: "grants a run whose lease is over, with an owner_changed line",
      async run(harness) {
        const first = await owned(harness);
        await first.write(lines(1), { start: true });
        await harness.expireLease(first.runId);
        const second = await claimBy(harness, first.runId);
        expect(second.claimed).toMatchObject({ attempt: 2, next: 2, status: "running" });
        expect((await read(harness, first.runId)).lines).toEqual([line(0), line("owner_changed")]);
      },
    },
    {
      title: "writes no owner_changed line when the run comes back to the owner that it had",
      async run(harness) {
        const first = await owned(harness);
        await harness.expireLease(first.runId);
        const second = await claimBy(harness, first.runId, { owner: first.owner });
        expect(second.claimed).toMatchObject({ attempt: 2, next: 0 });
        expect(second.fence).toBeGreaterThan(first.fence);
      },
    },
    {
      title: "grants a run that was given back, without an owner_changed line",
      async run(harness) {
        const first = await owned(harness);
        await first.write(lines(2), { start: true });
        await first.release();
        const second = await claimBy(harness, first.runId);
        expect(second.claimed).toMatchObject({ attempt: 2, next: 2, status: "queued" });
        expect(second.fence).toBeGreaterThan(first.fence);
        expect((await read(harness, first.runId)).lines).toEqual(lines(2));
      },
    },
    {
      title: "refuses an ended run, saying how it ended, even for a takeover",
      async run(harness) {
        const first = await owned(harness);
        await first.end({ status: "failed" });
        const before = await snapshot(harness, first.runId);
        for (const takeOver of [false, true]) {
          const answer = await harness.store.claim(claimRequest(first.runId, { takeOver }));
          expect(answer).toEqual({ code: "RUN_ENDED", status: "failed" });
        }
        expect(await snapshot(harness, first.runId)).toEqual(before);
      },
    },
    {
      title: "creates a run without an owner for somebody else to adopt",
      async run(harness) {
        const creator = await owned(harness, { owner: null });
        expect(creator.claimed).toMatchObject({ fence: 0, attempt: 0, status: "queued" });
        const { run } = await read(harness, creator.runId);
        expect(run).toMatchObject({ owner: "", ownerUrl: "", leaseUntil: 0, attempt: 0, status: "queued" });
        const adopter = await claimBy(harness, creator.runId);
        expect(adopter.claimed).toMatchObject({ attempt: 1, next: 0, status: "queued" });
        expect(adopter.fence).toBeGreaterThan(0);
        expect((await read(harness, creator.runId)).run.owner).toBe(adopter.owner?.id);
      },
    },
    {
      title: "leaves a run as it is when it is to be created without an owner and is there already",
      async run(harness) {
        const { runId } = await owned(harness, { owner: null });
        const before = await snapshot(harness, runId);
        const again = await harness.store.claim(claimRequest(runId, { owner: null }));
        expect(again).toMatchObject({ code: "OK", fence: 0, attempt: 0 });
        await harness.changeServer();
        expect(await harness.store.claim(claimRequest(runId, { owner: null }))).toEqual(again);
        expect(await snapshot(harness, runId)).toEqual(before);
      },
    },
    {
      title: "refuses to create a run without an owner where one is owned, live or not",
      async run(harness) {
        const { runId, owner } = await owned(harness);
        const request = claimRequest(runId, { owner: null, takeOver: true });
        expect(await harness.store.claim(request)).toEqual({ code: "OWNED", owner: owner?.id });
        await harness.expireLease(runId);
        expect(await harness.store.claim(request)).toEqual({ code: "OWNED", owner: owner?.id });
      },
    },
    {
      title: "gives a fence that is at least the store's time in milliseconds",
      async run(harness) {
        const first = await owned(harness);
        // Well past the first fence, so that counting on from it does not come near the time.
        let before = 0;
        while (before <= first.fence + 1) before = (await read(harness, first.runId)).now;
        const second = await claimBy(harness, first.runId, { takeOver: true });
        const after = (await read(harness, first.runId)).now;
        expect(first.fence).toBeLessThanOrEqual(before);
        expect(second.fence).toBeGreaterThanOrEqual(before);
        expect(second.fence).toBeLessThanOrEqual(Math.max(after, first.fence + 1));
      },
    },
    {
      title: "gives a fence above the stored one even if that is ahead of the store's clock",
      async run(harness) {
        const first = await owned(harness);
        const ahead = first.fence + 1_000_000_000;
        await first.write([], { fence: ahead });
        const second = await claimBy(harness, first.runId, { takeOver: true });
        expect(second.fence).toBe(ahead + 1);
      },
    },
    {
      title: "grants one of many claims that come at once",
      async run(harness) {
        const runId = unique("run");
        const requests = Array.from({ length: 20 }, () => claimRequest(runId));
        const answers = await Promise.all(requests.map((request) => harness.store.claim(request)));
        const granted = requests.filter((_, i) => answers[i]?.code === "OK");
        expect(granted).toHaveLength(1);
        const refused = answers.filter((answer) => answer.code === "OWNED" && answer.owner === granted[0]?.owner?.id);
        expect(refused).toHaveLength(19);
      },
    },
    {
      title: "hands the adopter the layers and the request to cancel",
      async run(harness) {
        const first = await owned(harness);
        const text = '{"fetch":{"status":"running","order":0}}';
        await first.write([], { layers: { text, replacesSha1: "" } });
        await harness.store.cancel(first.runId);
        await harness.expireLease(first.runId);
        const second = await claimBy(harness, first.runId);
        expect(second.claimed).toMatchObject({ layers: text, cancelRequested: true });
      },
    },
    {
      title: "sets the count of sweeps that found the lease over back to 0",
      async run(harness) {
        const first = await owned(harness);
        await harness.expireLease(first.runId);
        await sweep(harness);
        expect((await read(harness, first.runId)).run.stalledSweeps).toBe(1);
        await claimBy(harness, first.runId, { owner: ownerLease() });
        expect((await read(harness, first.runId)).run.stalledSweeps).toBe(0);
      },
    },
    {
      title: "begins an epoch when it adopts on another server, with numbers and lines as they were",
      async run(harness) {
        const first = await owned(harness);
        await first.write(lines(3));
        await harness.changeServer();
        await harness.expireLease(first.runId);
        const request = claimRequest(first.runId);
        const answer = accepted(await harness.store.claim(request));
        expect(answer).toMatchObject({ epoch: request.newEpoch, next: 4 });
        const after = await read(harness, first.runId);
        expect(after.run).toMatchObject({ epoch: request.newEpoch, base: 0, first: 0, next: 4 });
        expect(after.lines).toEqual([...lines(3), line("owner_changed")]);
      },
    },
    {
      title: "leaves a run as it was born, whoever claims it",
      async run(harness) {
        const first = await owned(harness, { birth: birth({ subjectId: "first", metadata: '{"a":1}' }) });
        await claimBy(harness, first.runId, {
          takeOver: true,
          birth: birth({ subjectId: "second", operation: "other" }),
        });
        const { run } = await read(harness, first.runId);
        expect(run).toMatchObject({ subjectId: "first", operation: "operation", metadata: '{"a":1}' });
      },
    },
    {
      title: "counts the owner_changed line to no producer",
      async run(harness) {
        const { runId } = await owned(harness);
        const other = joined(harness, runId);
        await other.write(lines(2));
        await claimBy(harness, runId, { takeOver: true });
        expect(await other.write([line(2)])).toMatchObject({ next: 4 });
        expect((await read(harness, runId)).lines).toEqual([...lines(2), line("owner_changed"), line(2)]);
      },
    },
    {
      title: "trims for the owner_changed line as for any other",
      limits: { maxLines: 2 },
      async run(harness) {
        const first = await owned(harness);
        await first.write(lines(2));
        await claimBy(harness, first.runId, { takeOver: true });
        const after = await read(harness, first.runId);
        expect(after.lines).toEqual([line(1), line("owner_changed")]);
        expect(after.run).toMatchObject({ first: 1, next: 3 });
      },
    },
  ],
};
