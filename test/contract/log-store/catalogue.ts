import { expect } from "vitest";
import type { StoreCases, StoreHarness } from "./harness.js";
import { birth, claimBy, claimRequest, joined, laterThanNow, lines, owned, read, unique, until } from "./scene.js";

/** Three runs, each created later than the one before. */
async function threeRuns(harness: StoreHarness) {
  const first = await owned(harness, { birth: birth({ subjectId: "a", operation: "import" }) });
  await laterThanNow(harness, first.runId);
  const second = await owned(harness, { birth: birth({ subjectId: "a", operation: "export" }) });
  await laterThanNow(harness, second.runId);
  const third = await owned(harness, { birth: birth({ subjectId: "b", operation: "import", parentId: first.runId }) });
  await laterThanNow(harness, third.runId);
  return [first, second, third] as const;
}

export const catalogueCases: StoreCases = {
  about: "lists, summaries and deleting",
  cases: [
    {
      title: "lists runs, newest first, at most as many as are asked for",
      async run(harness) {
        expect(await harness.store.list({ limit: 10 })).toEqual([]);
        const ids = (await threeRuns(harness)).map(({ runId }) => runId).reverse();
        const listed = async (limit: number) => (await harness.store.list({ limit })).map((run) => run.run_id);
        expect(await listed(10)).toEqual(ids);
        expect(await listed(2)).toEqual(ids.slice(0, 2));
      },
    },
    {
      title: "lists a run once, where its creation puts it, however often it is claimed",
      async run(harness) {
        const [first, second, third] = await threeRuns(harness);
        await first.release();
        await claimBy(harness, first.runId);
        const listed = (await harness.store.list({ limit: 10 })).map((run) => run.run_id);
        expect(listed).toEqual([third.runId, second.runId, first.runId]);
      },
    },
    {
      title: "lists what is true of a run now",
      async run(harness) {
        const owner = await owned(harness, { birth: birth({ parentId: "parent" }) });
        const { run } = await read(harness, owner.runId);
        const summary = {
          run_id: owner.runId,
          status: "queued",
          operation: "operation",
          subject_id: "subject",
          parent_id: "parent",
          owner: owner.owner?.id,
          owner_url: owner.owner?.url,
          attempt: 1,
          total_count: 0,
          cost: { calls: 0, errors: 0, cost_usd: 0, unpriced_calls: 0 },
          error: null,
          error_code: null,
          created_at: new Date(run.createdAt).toISOString(),
          started_at: null,
          finished_at: null,
        };
        expect(await harness.store.list({ limit: 10 })).toEqual([summary]);
        await owner.write(lines(3), { start: true });
        const started = await read(harness, owner.runId);
        expect(await harness.store.list({ limit: 10 })).toEqual([
          {
            ...summary,
            status: "running",
            total_count: 3,
            started_at: new Date(started.run.startedAt).toISOString(),
          },
        ]);
        await owner.end({ status: "failed", error: "no", errorCode: "NO" });
        const ended = await read(harness, owner.runId);
        expect(await harness.store.list({ limit: 10 })).toMatchObject([
          {
            status: "failed",
            error: "no",
            error_code: "NO",
            finished_at: new Date(ended.run.finishedAt).toISOString(),
          },
        ]);
      },
    },
    {
      title: "lists runs by status, operation, subject and parent, and by all of them together",
      async run(harness) {
        const [first, second, third] = await threeRuns(harness);
        await first.write([], { start: true });
        await second.end();
        const listed = async (request: Partial<Parameters<typeof harness.store.list>[0]>) =>
          (await harness.store.list({ limit: 10, ...request })).map((run) => run.run_id);
        expect(await listed({ status: "running" })).toEqual([first.runId]);
        expect(await listed({ status: "completed" })).toEqual([second.runId]);
        expect(await listed({ operation: "import" })).toEqual([third.runId, first.runId]);
        expect(await listed({ subjectId: "a" })).toEqual([second.runId, first.runId]);
        expect(await listed({ parentId: first.runId })).toEqual([third.runId]);
        expect(await listed({ subjectId: "a", operation: "import", status: "running" })).toEqual([first.runId]);
        expect(await listed({ subjectId: "b", status: "running" })).toEqual([]);
        expect(await listed({ operation: "import", limit: 1 })).toEqual([third.runId]);
      },
    },
    {
      title: "lists the open runs, those of a subject or parent too, and ended ones no more",
      async run(harness) {
        const [first, second, third] = await threeRuns(harness);
        const listed = async (request: Partial<Parameters<typeof harness.store.list>[0]>) =>
          (await harness.store.list({ limit: 10, status: "open", ...request })).map((run) => run.run_id);
        await first.write([], { start: true });
        expect(await listed({})).toEqual([third.runId, second.runId, first.runId]);
        expect(await listed({ limit: 1 })).toEqual([third.runId]);
        await third.end();
        expect(await listed({})).toEqual([second.runId, first.runId]);
        expect(await listed({ subjectId: "a", operation: "import" })).toEqual([first.runId]);
        expect(await listed({ parentId: first.runId })).toEqual([]);
        await second.release();
        expect(await listed({ subjectId: "a" })).toEqual([second.runId, first.runId]);
      },
    },
    {
      title: "lists what a run has cost so far, of all its producers, and knows it when the run is gone",
      async run(harness) {
        const owner = await owned(harness);
        const tally = (n: number) => JSON.stringify({ b: { a: { c: 2, e: 1, u: 1, n }, b: { c: 1, n: 1 } } });
        const cost = (nano: number, producers: number) => ({
          cost: { calls: 3 * producers, errors: producers, cost_usd: nano / 1e9, unpriced_calls: producers },
        });
        await owner.write(lines(1), { totals: tally(2_000_000) });
        expect(await harness.store.list({ limit: 1 })).toMatchObject([cost(2_000_001, 1)]);
        await joined(harness, owner.runId).write(lines(1), { totals: tally(500) });
        expect(await harness.store.list({ limit: 1 })).toMatchObject([cost(2_000_502, 2)]);
        await owner.end({ totals: tally(4_000_000) });
        await harness.lose(owner.runId);
        expect(await harness.store.readSummary(owner.runId)).toMatchObject(cost(4_000_502, 2));
      },
    },
    {
      title: "knows the newest run of a subject, of one operation or of any",
      async run(harness) {
        const [first, second, third] = await threeRuns(harness);
        expect(await harness.store.latest("a", null)).toBe(second.runId);
        expect(await harness.store.latest("a", "import")).toBe(first.runId);
        expect(await harness.store.latest("b", "import")).toBe(third.runId);
        expect(await harness.store.latest("b", "export")).toBeNull();
        expect(await harness.store.latest("c", null)).toBeNull();
      },
    },
    {
      title: "counts the open runs",
      async run(harness) {
        expect(await harness.store.countOpen()).toBe(0);
        const [first, second] = await threeRuns(harness);
        const created = await owned(harness, { owner: null });
        expect(await harness.store.countOpen()).toBe(4);
        await first.end();
        await first.end();
        await second.release();
        expect(await harness.store.countOpen()).toBe(3);
        await harness.store.cancel(created.runId);
        await harness.store.claim(claimRequest(first.runId));
        expect(await harness.store.countOpen()).toBe(2);
      },
    },
    {
      title: "keeps a summary of a run for the time when the run itself is gone",
      async run(harness) {
        const owner = await owned(harness);
        expect(await harness.store.readSummary(unique("run"))).toBeNull();
        expect(await harness.store.readSummary(owner.runId)).toMatchObject({
          run_id: owner.runId,
          status: "queued",
          owner: owner.owner?.id,
        });
        await owner.write(lines(2), { start: true });
        await owner.write([]);
        expect(await harness.store.readSummary(owner.runId)).toMatchObject({ status: "running", total_count: 2 });
        await owner.end({ status: "failed", error: "no", errorCode: "NO" });
        const { run } = await read(harness, owner.runId);
        const summary = { status: "failed", error: "no", error_code: "NO", total_count: 2, operation: "operation" };
        expect(await harness.store.readSummary(owner.runId)).toMatchObject(summary);
        await harness.lose(owner.runId);
        expect(await harness.store.readSummary(owner.runId)).toMatchObject({
          ...summary,
          finished_at: new Date(run.finishedAt).toISOString(),
        });
      },
    },
    {
      title: "knows the children of a run and how each of them stands",
      async run(harness) {
        const parent = await owned(harness);
        expect(await harness.store.readChildren(parent.runId)).toEqual({});
        const children = [];
        for (let i = 0; i < 3; i++) {
          children.push(await owned(harness, { birth: birth({ parentId: parent.runId }) }));
        }
        const [queued, running, failed] = children.map(({ runId }) => runId) as [string, string, string];
        await children[1]?.write([], { start: true });
        await children[2]?.end({ status: "failed" });
        const expected = { [queued]: "queued", [running]: "running", [failed]: "failed" };
        let found = {};
        await until("the parent knows its children", async () => {
          found = await harness.store.readChildren(parent.runId);
          return Object.keys(found).length === 3;
        });
        expect(found).toEqual(expected);
        expect(await harness.store.readChildren(queued)).toEqual({});
      },
    },
    {
      title: "knows that a child was given back or ended by a sweep or a cancel",
      async run(harness) {
        const parent = await owned(harness);
        const released = await owned(harness, { birth: birth({ parentId: parent.runId }) });
        const cancelled = await owned(harness, { owner: null, birth: birth({ parentId: parent.runId }) });
        await released.write([], { start: true });
        await released.release();
        await harness.store.cancel(cancelled.runId);
        const expected = { [released.runId]: "queued", [cancelled.runId]: "cancelled" };
        expect(await harness.store.readChildren(parent.runId)).toEqual(expected);
      },
    },
    {
      title: "deletes an ended run with all that is known of it",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2), { layers: { text: "{}", replacesSha1: "" } });
        await owner.end({ result: "1" });
        expect(await harness.store.remove(owner.runId)).toBe("OK");
        const gone = { runId: owner.runId, from: { kind: "none" }, limit: 1, known: null } as const;
        expect(await harness.store.read(gone)).toBeNull();
        expect(await harness.store.readSummary(owner.runId)).toBeNull();
        expect(await harness.store.readResult(owner.runId)).toBeNull();
        expect(await harness.store.list({ limit: 10 })).toEqual([]);
        expect(await harness.store.latest("subject", null)).toBeNull();
        for (const key of ["meta", "buffer", "layers", "producers", "result"] as const) {
          expect(await harness.ttlSeconds(owner.runId, key), key).toBeNull();
        }
        expect(await harness.store.remove(owner.runId)).toBe("GONE");
      },
    },
    {
      title: "forgets a deleted run as a child of its parent, and no other child",
      async run(harness) {
        const parent = await owned(harness);
        const birthOfChild = birth({ parentId: parent.runId });
        const deleted = await owned(harness, { birth: birthOfChild });
        const other = await owned(harness, { birth: birthOfChild });
        await deleted.end();
        expect(await harness.store.remove(deleted.runId)).toBe("OK");
        expect(await harness.store.readChildren(parent.runId)).toEqual({ [other.runId]: "queued" });
        expect(await harness.store.list({ parentId: parent.runId, limit: 10 })).toMatchObject([
          { run_id: other.runId },
        ]);
      },
    },
    {
      title: "does not delete an open run, nor one that is not there",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2), { start: true });
        expect(await harness.store.remove(owner.runId)).toBe("OPEN");
        expect((await read(harness, owner.runId)).lines).toEqual(lines(2));
        expect(await harness.store.remove(unique("run"))).toBe("GONE");
        await owner.release();
        expect(await harness.store.remove(owner.runId)).toBe("OPEN");
      },
    },
    {
      title: "lets a deleted id be used again, from the beginning",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(2), { layers: { text: "{}", replacesSha1: "" }, totals: "{}" });
        await owner.end();
        await harness.store.remove(owner.runId);
        const again = await claimBy(harness, owner.runId);
        expect(again.claimed).toMatchObject({ next: 0, attempt: 1, layers: "", status: "queued" });
        expect(again.epoch).not.toBe(owner.epoch);
        expect((await read(harness, owner.runId)).state).toEqual({ layers: "", totals: [] });
      },
    },
  ],
};
