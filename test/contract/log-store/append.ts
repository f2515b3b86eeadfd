import { expect } from "vitest";
import { MAX_PRODUCERS } from "../../../src/store.js";
import type { StoreCases } from "./harness.js";
import {
  accepted,
  claimBy,
  content,
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

export const appendCases: StoreCases = {
  about: "appending lines",
  cases: [
    {
      title: "stores lines in their order and says what comes next",
      async run(harness) {
        const owner = await owned(harness);
        expect(await owner.append(lines(2))).toEqual({
          code: "OK",
          epoch: owner.claimed.epoch,
          next: 2,
          version: owner.claimed.version,
          cancelRequested: false,
          layers: null,
        });
        expect(await owner.write(lines(3, 2))).toMatchObject({ next: 5 });
        const { run, lines: stored, linesFrom } = await read(harness, owner.runId);
        expect({ linesFrom, stored, first: run.first, next: run.next }).toEqual({
          linesFrom: 0,
          stored: lines(5),
          first: 0,
          next: 5,
        });
      },
    },
    {
      title: "gives texts back as they came, whatever is in them",
      async run(harness) {
        const owner = await owned(harness);
        const texts = [
          "",
          "plain",
          '{"a":"\\u0000"}',
          "\u0000\r\n\t",
          "äöü 漢字 🚀",
          '"',
          "\\",
          "%s %d",
          "OK",
          "1e400",
        ];
        await owner.write(texts);
        expect((await read(harness, owner.runId)).lines).toEqual(texts);
      },
    },
    {
      title: "stores a batch of 1,000 lines",
      async run(harness) {
        const owner = await owned(harness);
        expect(await owner.write(lines(1000))).toMatchObject({ next: 1000 });
        expect((await read(harness, owner.runId)).lines).toEqual(lines(1000));
      },
    },
    {
      title: "stores batches in the order in which they were sent, without waiting for answers",
      async run(harness) {
        const owner = await owned(harness);
        const requests = [0, 1, 2, 3].map((i) => owner.request(lines(10, i * 10), { first: i * 10, told: 0 }));
        const answers = await Promise.all(requests.map((request) => harness.store.append(request)));
        expect(answers.map((answer) => answer.code === "OK" && answer.next)).toEqual([10, 20, 30, 40]);
        expect((await read(harness, owner.runId)).lines).toEqual(lines(40));
      },
    },
    {
      title: "numbers the lines of several producers in one row, each producer's in its order",
      async run(harness) {
        const owner = await owned(harness);
        const other = joined(harness, owner.runId);
        await owner.write(lines(2, 0));
        await other.write(lines(2, 100));
        await owner.write(lines(1, 2));
        expect(await other.write(lines(1, 102))).toMatchObject({ next: 6, epoch: owner.epoch });
        expect((await read(harness, owner.runId)).lines).toEqual([0, 1, 100, 101, 2, 102].map(line));
      },
    },
    {
      title: "takes a joined producer that knows neither fence nor epoch, and tells it the epoch",
      async run(harness) {
        const owner = await owned(harness);
        const other = joined(harness, owner.runId);
        const before = await snapshot(harness, owner.runId);
        expect(await other.append(lines(1))).toMatchObject({ code: "OK", epoch: owner.epoch, next: 1 });
        const { run } = await read(harness, owner.runId);
        expect(run).toEqual({ ...before.run, next: 1 });
      },
    },
    {
      title: "takes a joined producer under the fence of the owner, and refuses it when that is an older one",
      async run(harness) {
        const owner = await owned(harness);
        const child = joined(harness, owner.runId);
        child.fence = owner.fence;
        await child.write(lines(1));
        await claimBy(harness, owner.runId, { takeOver: true });
        expect(await child.append(lines(1, 1))).toEqual({ code: "FENCED" });
        expect((await read(harness, owner.runId)).run.next).toBe(2);
      },
    },
    {
      title: "answers GONE when there is no such run, and creates nothing",
      async run(harness) {
        const runId = unique("run");
        expect(await joined(harness, runId).append(lines(1))).toEqual({ code: "GONE" });
        expect(await joined(harness, runId).append([])).toEqual({ code: "GONE" });
        expect(await harness.store.read({ runId, from: { kind: "none" }, limit: 1, known: null })).toBeNull();
      },
    },
    {
      title: "answers GONE for a run that vanished",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        await harness.lose(owner.runId);
        expect(await owner.append(lines(1, 2))).toEqual({ code: "GONE" });
      },
    },
    {
      title: "looks whether the run has ended before it looks at fence, epoch and numbers",
      async run(harness) {
        const first = await owned(harness);
        const second = await claimBy(harness, first.runId, { takeOver: true });
        await second.end({ status: "cancelled" });
        const wrong = { epoch: newEpoch(), first: 7, logged: 0 };
        expect(await first.append(lines(1), wrong)).toEqual({ code: "RUN_ENDED", status: "cancelled" });
        await harness.changeServer();
        expect(await first.append(lines(1), wrong)).toEqual({ code: "RUN_ENDED", status: "cancelled" });
        expect((await read(harness, first.runId)).run.epoch).toBe(second.epoch);
      },
    },
    {
      title: "looks at the fence before it looks at epoch and numbers",
      async run(harness) {
        const first = await owned(harness);
        await claimBy(harness, first.runId, { takeOver: true });
        await harness.changeServer();
        const before = await snapshot(harness, first.runId);
        expect(await first.append(lines(1), { epoch: newEpoch(), first: 7 })).toEqual({ code: "FENCED" });
        expect(await snapshot(harness, first.runId)).toEqual(before);
      },
    },
    {
      title: "looks at the epoch before it looks at numbers",
      async run(harness) {
        const owner = await owned(harness);
        const { epoch } = owner;
        expect(await owner.append(lines(1), { epoch: newEpoch(), first: 7 })).toMatchObject({ code: "EPOCH", epoch });
      },
    },
    {
      title: "looks at numbers before it stores, and changes nothing when the first is beyond what is stored",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        const before = await snapshot(harness, owner.runId);
        const ahead = { first: 3, totals: "{}", start: true, layers: { text: "{}", replacesSha1: "" } };
        expect(await owner.append(lines(1), ahead)).toEqual({ code: "ORDER", have: 2 });
        expect(await snapshot(harness, owner.runId)).toEqual(before);
      },
    },
    {
      title: "stores nothing twice when a batch comes again",
      async run(harness) {
        const owner = await owned(harness);
        const request = owner.request(lines(3), { totals: '{"calls":1}', start: true });
        const answer = accepted(await harness.store.append(request));
        const before = await content(harness, owner.runId);
        expect(await harness.store.append(request)).toEqual(answer);
        expect(await content(harness, owner.runId)).toEqual(before);
      },
    },
    {
      title: "stores nothing twice when an older batch comes again after newer ones",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(5));
        const again = { first: 1, upto: 3, logged: 5 };
        expect(await owner.append(lines(2, 1), again)).toMatchObject({ code: "OK", next: 5 });
        expect((await read(harness, owner.runId)).lines).toEqual(lines(5));
        expect(await owner.write(lines(1, 5))).toMatchObject({ next: 6 });
      },
    },
    {
      title: "stores only the rest of a batch that overlaps what is stored",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(3));
        expect(await owner.append(lines(4, 1), { first: 1 })).toMatchObject({ code: "OK", next: 5 });
        expect((await read(harness, owner.runId)).lines).toEqual(lines(5));
        expect(await owner.write(lines(1, 5))).toMatchObject({ next: 6 });
      },
    },
    {
      title: "stores a batch that stands for a hole: one line, and the producer's numbers go on after it",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        expect(await owner.append([line("gap")], { upto: 9 })).toMatchObject({ code: "OK", next: 3 });
        expect(await owner.append([line(8)], { first: 8 })).toMatchObject({ code: "OK", next: 3 });
        expect(await owner.append([line(10)], { first: 10 })).toEqual({ code: "ORDER", have: 9 });
        expect(await owner.append([line(9)], { first: 9 })).toMatchObject({ code: "OK", next: 4 });
        expect((await read(harness, owner.runId)).lines).toEqual([line(0), line(1), line("gap"), line(9)]);
      },
    },
    {
      title: "stores a batch that stands for a hole once when it comes again",
      async run(harness) {
        const owner = await owned(harness);
        const request = owner.request([line("gap")], { upto: 5 });
        const answer = accepted(await harness.store.append(request));
        expect(await harness.store.append(request)).toEqual(answer);
        expect((await read(harness, owner.runId)).lines).toEqual([line("gap")]);
      },
    },
    {
      title: "refuses a batch that stands for a hole anywhere but where the stored lines end",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(4));
        const before = await snapshot(harness, owner.runId);
        for (const first of [2, 3, 5]) {
          expect(await owner.append([line("gap")], { first, upto: 9 })).toEqual({ code: "ORDER", have: 4 });
        }
        expect(await snapshot(harness, owner.runId)).toEqual(before);
      },
    },
    {
      title: "keeps the newest lines when they are too many",
      limits: { maxLines: 5 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(4));
        await owner.write(lines(4, 4));
        const { run, lines: stored, linesFrom } = await read(harness, owner.runId);
        expect({ stored, linesFrom }).toEqual({ stored: lines(5, 3), linesFrom: 3 });
        expect(run).toMatchObject({ base: 0, first: 3, next: 8 });
        await owner.write(lines(20, 8));
        expect((await read(harness, owner.runId)).lines).toEqual(lines(5, 23));
      },
    },
    {
      title: "keeps the newest lines when they take too many bytes, counted as UTF-8",
      limits: { maxBufferBytes: 100 },
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(Array.from({ length: 10 }, (_, i) => `${i}${"x".repeat(9)}`));
        expect((await read(harness, owner.runId)).run).toMatchObject({ first: 0, next: 10 });
        await owner.write(["é".repeat(15)]);
        expect((await read(harness, owner.runId)).run).toMatchObject({ first: 3, next: 11 });
        await owner.write(["🚀".repeat(15)]);
        const { run, lines: stored } = await read(harness, owner.runId);
        expect(run).toMatchObject({ first: 9, next: 12 });
        expect(stored).toEqual([`9${"x".repeat(9)}`, "é".repeat(15), "🚀".repeat(15)]);
      },
    },
    {
      title: "keeps the newest line even if it alone takes too many bytes",
      limits: { maxBufferBytes: 50 },
      async run(harness) {
        const owner = await owned(harness);
        const long = "x".repeat(200);
        await owner.write([...lines(2), long]);
        expect(await read(harness, owner.runId)).toMatchObject({
          lines: [long],
          linesFrom: 2,
          run: { first: 2, next: 3 },
        });
        await owner.write([line(3)]);
        expect(await read(harness, owner.runId)).toMatchObject({ lines: [line(3)], run: { first: 3, next: 4 } });
      },
    },
    {
      title: "takes 1,000 producers of a run and no more; those that it took go on",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write([line("owner")]);
        const others = Array.from({ length: MAX_PRODUCERS - 1 }, () => joined(harness, owner.runId));
        const answers = await Promise.all(others.map((other) => other.append([line("other")])));
        expect(answers.every((answer) => answer.code === "OK")).toBe(true);
        const before = await snapshot(harness, owner.runId);
        const late = joined(harness, owner.runId);
        expect(await late.append([line("one too many")])).toEqual({ code: "TOO_MANY_PRODUCERS" });
        expect(await snapshot(harness, owner.runId)).toEqual(before);
        expect(await others[500]?.append([line("again")])).toMatchObject({ code: "OK", next: MAX_PRODUCERS + 1 });
        expect(await owner.append([line("again")])).toMatchObject({ code: "OK", next: MAX_PRODUCERS + 2 });
      },
    },
    {
      title: "stores a newer fence with its owner and lease, and from then on refuses the older one",
      async run(harness) {
        const older = await owned(harness);
        const version = (await read(harness, older.runId)).run.version;
        const newer = joined(harness, older.runId);
        newer.owner = ownerLease();
        newer.fence = older.fence + 1;
        await harness.expireLease(older.runId);
        await newer.write(lines(1));
        const { run, now } = await read(harness, older.runId);
        expect(run).toMatchObject({ owner: newer.owner.id, ownerUrl: newer.owner.url, attempt: 1 });
        expect(run.leaseUntil).toBeGreaterThan(now);
        expect(run.version).toBeGreaterThan(version);
        expect(await older.append(lines(1))).toEqual({ code: "FENCED" });
      },
    },
    {
      title: "stores a newer fence even if the epoch has to be cleared up first",
      async run(harness) {
        const older = await owned(harness);
        const newer = joined(harness, older.runId);
        newer.owner = ownerLease();
        newer.fence = older.fence + 1;
        expect(await newer.append(lines(1), { epoch: newEpoch() })).toMatchObject({ code: "EPOCH", have: 0 });
        expect(await older.append(lines(1))).toEqual({ code: "FENCED" });
        expect((await read(harness, older.runId)).run.owner).toBe(newer.owner.id);
      },
    },
    {
      title: "refuses the owner that gave the run back, and takes what had joined it",
      async run(harness) {
        const owner = await owned(harness);
        const child = joined(harness, owner.runId);
        child.fence = owner.fence;
        await owner.release();
        expect(await owner.append(lines(1))).toEqual({ code: "FENCED" });
        expect(await owner.append([])).toEqual({ code: "FENCED" });
        expect(await child.append(lines(1))).toMatchObject({ code: "OK", next: 1 });
        expect((await read(harness, owner.runId)).run.owner).toBe("");
      },
    },
    {
      title: "takes a heartbeat: no line, no version, a longer lease",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2));
        const before = await snapshot(harness, owner.runId);
        await harness.expireLease(owner.runId);
        expect(await owner.append([])).toMatchObject({ code: "OK", next: 2, version: before.run.version });
        const { run, now, lines: stored } = await read(harness, owner.runId);
        expect(run.leaseUntil).toBeGreaterThan(now);
        expect({ ...run, leaseUntil: 0 }).toEqual({ ...before.run, leaseUntil: 0 });
        expect(stored).toEqual(lines(2));
      },
    },
    {
      title: "checks a heartbeat as it checks lines",
      async run(harness) {
        const first = await owned(harness);
        await first.write(lines(2));
        expect(await first.append([], { first: 3 })).toEqual({ code: "ORDER", have: 2 });
        expect(await first.append([], { epoch: newEpoch() })).toMatchObject({ code: "EPOCH", have: 2, next: 2 });
        const second = await claimBy(harness, first.runId, { takeOver: true });
        expect(await first.append([])).toEqual({ code: "FENCED" });
        await second.end();
        expect(await second.append([])).toEqual({ code: "RUN_ENDED", status: "completed" });
      },
    },
    {
      title: "renews the lease with every append of the owner, and with no other's",
      async run(harness) {
        const owner = await owned(harness);
        await harness.expireLease(owner.runId);
        await sweep(harness);
        const child = joined(harness, owner.runId);
        child.fence = owner.fence;
        await child.write(lines(1));
        await joined(harness, owner.runId).write(lines(1));
        const stalled = await read(harness, owner.runId);
        expect(stalled.run.leaseUntil).toBeLessThanOrEqual(stalled.now);
        expect(stalled.run.stalledSweeps).toBe(1);
        expect((await owner.write(lines(1))).version).toBeGreaterThan(stalled.run.version);
        const healed = await read(harness, owner.runId);
        expect(healed.run.leaseUntil).toBeGreaterThan(healed.now);
        expect(healed.run.stalledSweeps).toBe(0);
      },
    },
  ],
};
