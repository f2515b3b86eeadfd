import { expect } from "vitest";
import type { Hint } from "../../../src/store.js";
import type { StoreCases, StoreHarness } from "./harness.js";
import { claimBy, claimRequest, joined, lines, owned, type Producer, read, unique, until } from "./scene.js";

/** Whether a hint of something came; one without numbers only says that anything may have happened. */
function told(hints: readonly Hint[]): boolean {
  return hints.some((hint) => hint.next > 0);
}

/** Hints of a run, from the moment when the store is known to send them. */
async function listen(harness: StoreHarness, producer: Producer) {
  const hints: Hint[] = [];
  const stop = harness.store.watch(producer.runId, (hint) => hints.push(hint));
  await until("the first hint comes", async () => {
    if (!told(hints)) await producer.write(lines(1));
    return told(hints);
  });
  const caughtUp = async () => {
    const { run } = await read(harness, producer.runId);
    const hasAll = () => hints.some((hint) => hint.next >= run.next && hint.version >= run.version);
    await until("a hint of all that is stored comes", hasAll);
    hints.length = 0;
  };
  await caughtUp();
  return { hints, stop, caughtUp };
}

/** Runs that `ownerId` is asked to cancel, from the moment when the store is known to say so. */
async function listenAs(harness: StoreHarness, ownerId: string) {
  const runIds: string[] = [];
  const stop = harness.store.watchOwner(ownerId, (runId) => runIds.push(runId));
  await until("the first request to cancel comes", async () => {
    if (runIds.length === 0) await cancelOne(harness, ownerId);
    return runIds.length > 0;
  });
  return { runIds, stop };
}

async function cancelOne(harness: StoreHarness, ownerId: string): Promise<string> {
  const { runId } = await owned(harness, { owner: { id: ownerId, url: "", leaseMs: 60_000 } });
  await harness.store.cancel(runId);
  return runId;
}

export const watchCases: StoreCases = {
  about: "watching and closing",
  cases: [
    {
      title: "hints at new lines",
      async run(harness) {
        const owner = await owned(harness);
        const { caughtUp } = await listen(harness, owner);
        await owner.write(lines(2));
        await caughtUp();
        await joined(harness, owner.runId).write(lines(3));
        await caughtUp();
      },
    },
    {
      title: "hints at every change that a viewer sees",
      async run(harness) {
        const owner = await owned(harness);
        const { runId } = owner;
        const { caughtUp } = await listen(harness, owner);
        const changes: (() => Promise<unknown>)[] = [
          () => owner.write([], { start: true }),
          () => owner.write([], { layers: { text: "{}", replacesSha1: "" } }),
          () => owner.write([], { totals: "{}" }),
          () => harness.store.cancel(runId),
          () => owner.release(),
          () => harness.store.claim(claimRequest(runId)),
          () => claimBy(harness, runId, { takeOver: true }).then((next) => next.end({}, lines(1))),
          () => joined(harness, runId).append(lines(1)),
        ];
        for (const change of changes) {
          const before = (await read(harness, runId)).run.version;
          await change();
          expect((await read(harness, runId)).run.version).toBeGreaterThan(before);
          await caughtUp();
        }
      },
    },
    {
      title: "brings with a hint, if anything, what a read answers",
      limits: { maxLines: 6 },
      async run(harness) {
        const owner = await owned(harness);
        const { runId } = owner;
        const other = joined(harness, runId);
        const { hints } = await listen(harness, owner);
        const writes: (() => Promise<unknown>)[] = [
          () => owner.write(lines(1)),
          () => owner.write(lines(3)),
          () => other.write(lines(2)),
          () => owner.write(lines(1), { totals: "{}" }),
          () => owner.write(lines(1), { layers: { text: "{}", replacesSha1: "" } }),
          () => owner.write(["a text with\na line break", ""]),
          // A batch that comes again with more behind it, and a line that stands for others.
          () => owner.append(lines(4), { first: owner.acked - 2 }),
          () => owner.append(lines(1), { first: owner.acked, upto: owner.acked + 5 }),
          () => harness.foreignPush(runId, lines(2)).then(() => owner.write(lines(2))),
          () => owner.write(lines(6)),
          () => owner.write(lines(8)),
          () => owner.write(lines(1)),
        ];
        for (const write of writes) {
          await write();
          const { run } = await read(harness, runId);
          await until("a hint of what was written comes", () => hints.some(({ next }) => next >= run.next));
          for (const { next, version, appended } of hints.splice(0)) {
            if (appended === undefined) continue;
            const from = { kind: "at", epoch: run.epoch, index: appended.from } as const;
            const { linesFrom, lines } = await read(harness, runId, { from });
            const { epoch, first } = run;
            expect({ next, version, appended }).toEqual({
              ...{ next: run.next, version: run.version },
              appended: { epoch, first, from: linesFrom, lines },
            });
          }
        }
      },
    },
    {
      title: "hints at the end that a cancel brings to a run without an owner",
      async run(harness) {
        const created = await owned(harness, { owner: null });
        const { caughtUp } = await listen(harness, joined(harness, created.runId));
        await harness.store.cancel(created.runId);
        await caughtUp();
      },
    },
    {
      title: "hints at a run that was watched before it was there",
      async run(harness) {
        const runId = unique("run");
        const hints: Hint[] = [];
        harness.store.watch(runId, (hint) => hints.push(hint));
        const owner = await claimBy(harness, runId);
        await until("a hint comes", async () => {
          await owner.write(lines(1));
          return told(hints);
        });
      },
    },
    {
      title: "tells every watcher, and none of them after it has stopped",
      async run(harness) {
        const owner = await owned(harness);
        const first = await listen(harness, owner);
        const second = await listen(harness, owner);
        await owner.write(lines(1));
        await first.caughtUp();
        await second.caughtUp();
        first.stop();
        first.stop();
        await owner.write(lines(1));
        await second.caughtUp();
        expect(first.hints).toEqual([]);
      },
    },
    {
      title: "hints at no other run",
      async run(harness) {
        const [owner, other] = [await owned(harness), await owned(harness)];
        const mine = await listen(harness, owner);
        const theirs = await listen(harness, other);
        await other.write(lines(1));
        await theirs.caughtUp();
        expect(mine.hints).toEqual([]);
      },
    },
    {
      title: "tells an owner which of its runs shall be cancelled, and nobody else",
      async run(harness) {
        const [ownerId, otherId] = [unique("owner"), unique("owner")];
        const mine = await listenAs(harness, ownerId);
        const theirs = await listenAs(harness, otherId);
        const heard = theirs.runIds.length;
        const runIds = [await cancelOne(harness, ownerId), await cancelOne(harness, ownerId)];
        await until("both requests come", () => runIds.every((runId) => mine.runIds.includes(runId)));
        expect(theirs.runIds).toHaveLength(heard);
      },
    },
    {
      title: "tells an owner nothing after it has stopped listening",
      async run(harness) {
        const ownerId = unique("owner");
        const first = await listenAs(harness, ownerId);
        const second = await listenAs(harness, ownerId);
        first.stop();
        const heard = first.runIds.length;
        const runId = await cancelOne(harness, ownerId);
        await until("the request comes", () => second.runIds.includes(runId));
        expect(first.runIds).toHaveLength(heard);
      },
    },
    {
      title: "asks an owner again when a cancel is repeated",
      async run(harness) {
        const ownerId = unique("owner");
        const { runIds } = await listenAs(harness, ownerId);
        const runId = await cancelOne(harness, ownerId);
        await harness.store.cancel(runId);
        await until("both requests come", () => runIds.filter((heard) => heard === runId).length === 2);
      },
    },
    {
      title: "answers a ping",
      async run(harness) {
        expect(await harness.store.ping()).toBe(true);
      },
    },
    {
      title: "rejects with CLOSED after it was closed, and neither tells nor breaks anybody",
      async run(harness) {
        const owner = await owned(harness);
        await harness.store.close();
        await harness.store.close();
        const { store } = harness;
        const request = owner.request(lines(1));
        const { runId } = owner;
        const calls: (() => Promise<unknown>)[] = [
          () => store.claim(claimRequest(runId)),
          () => store.append(request),
          () => store.end({ ...request, status: "completed", error: "", errorCode: "", result: null }),
          () => store.release(request),
          () => store.cancel(runId),
          () => store.read({ runId, from: { kind: "none" }, limit: 1, known: null }),
          () => store.readSummary(runId),
          () => store.readResult(runId),
          () => store.readChildren(runId),
          () => store.remove(runId),
          () => store.list({ limit: 1 }),
          () => store.latest("subject", null),
          () => store.countOpen(),
        ];
        for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject({ code: "CLOSED" });
        expect(await store.ping()).toBe(false);
        store.watch(runId, () => {})();
        store.watchOwner("owner", () => {})();
      },
    },
  ],
};
