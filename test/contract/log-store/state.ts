import { expect } from "vitest";
import type { RunKey, StoreCases, StoreHarness } from "./harness.js";
import { claimBy, content, joined, laterThanNow, line, lines, owned, read, sha1, sweep } from "./scene.js";

const ONE = '{"one":{"status":"running","order":0}}';
const TWO = '{"one":{"status":"success","order":0},"zwei":{"status":"running","order":1,"message":"ä"}}';

/** Expects keys to live `seconds`, less what a slow machine may have used up. */
export async function expectTtl(harness: StoreHarness, runId: string, seconds: number, keys: readonly RunKey[]) {
  for (const key of keys) {
    const ttl = await harness.ttlSeconds(runId, key);
    expect(ttl, key).toBeGreaterThan(seconds - 60);
    expect(ttl, key).toBeLessThanOrEqual(seconds);
  }
}

export const stateCases: StoreCases = {
  about: "status, layers, totals and version",
  cases: [
    {
      title: "starts a queued run once, and says when",
      async run(harness) {
        const owner = await owned(harness);
        const answer = await owner.write([], { start: true });
        const { run, now } = await read(harness, owner.runId);
        expect(run).toMatchObject({ status: "running", version: answer.version });
        expect(answer.version).toBeGreaterThan(owner.claimed.version);
        expect(run.startedAt).toBeGreaterThanOrEqual(run.createdAt);
        expect(run.startedAt).toBeLessThanOrEqual(now);
        await owner.write(lines(1), { start: true });
        const again = await read(harness, owner.runId);
        expect(again.run).toMatchObject({ version: answer.version, startedAt: run.startedAt });
      },
    },
    {
      title: "leaves a run queued while lines come that do not start it",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write(lines(1));
        await joined(harness, owner.runId).write(lines(1));
        expect((await read(harness, owner.runId)).run).toMatchObject({ status: "queued", startedAt: 0 });
      },
    },
    {
      title: "keeps the time of the first start when the run is given back and started again",
      async run(harness) {
        const first = await owned(harness);
        await first.write([], { start: true });
        const { startedAt } = (await read(harness, first.runId)).run;
        await first.release();
        await laterThanNow(harness, first.runId);
        const second = await claimBy(harness, first.runId);
        await second.write([], { start: true });
        expect((await read(harness, first.runId)).run).toMatchObject({ status: "running", startedAt });
      },
    },
    {
      title: "writes the first layers where there were none",
      async run(harness) {
        const owner = await owned(harness);
        const answer = await owner.write(lines(1), { layers: { text: ONE, replacesSha1: "" } });
        expect(answer.layers).toBeNull();
        expect(answer.version).toBeGreaterThan(owner.claimed.version);
        const { run, state } = await read(harness, owner.runId);
        expect(state).toEqual({ layers: ONE, totals: [] });
        expect(run.version).toBe(answer.version);
      },
    },
    {
      title: "writes layers over those that they were merged into",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write([], { layers: { text: ONE, replacesSha1: "" } });
        expect(await owner.write([], { layers: { text: TWO, replacesSha1: sha1(ONE) } })).toMatchObject({
          layers: null,
        });
        const layers = { text: ONE, replacesSha1: sha1(TWO) };
        expect(await joined(harness, owner.runId).write([], { layers })).toMatchObject({ layers: null });
        expect((await read(harness, owner.runId)).state?.layers).toBe(ONE);
      },
    },
    {
      title: "gives the stored layers back when the new ones were merged into others, and stores the lines",
      async run(harness) {
        const owner = await owned(harness);
        await owner.write([], { layers: { text: TWO, replacesSha1: "" } });
        const { version } = (await read(harness, owner.runId)).run;
        for (const replacesSha1 of ["", sha1(ONE)]) {
          const answer = await owner.write(lines(1), { layers: { text: ONE, replacesSha1 } });
          expect(answer).toMatchObject({ layers: TWO, version });
        }
        const after = await read(harness, owner.runId);
        expect(after).toMatchObject({ run: { version, next: 2 }, state: { layers: TWO } });
      },
    },
    {
      title: "gives back that there are no layers when the new ones were merged into some",
      async run(harness) {
        const owner = await owned(harness);
        const answer = await owner.write([], { layers: { text: TWO, replacesSha1: sha1(ONE) } });
        expect(answer.layers).toBe("");
        expect((await read(harness, owner.runId)).state?.layers).toBe("");
      },
    },
    {
      title: "takes layers that come again as written, and changes nothing",
      async run(harness) {
        const owner = await owned(harness);
        const request = owner.request([], { layers: { text: ONE, replacesSha1: "" } });
        const answer = await harness.store.append(request);
        const before = await content(harness, owner.runId);
        expect(await harness.store.append(request)).toEqual(answer);
        expect(await content(harness, owner.runId)).toEqual(before);
      },
    },
    {
      title: "keeps the totals of each producer, set and not added",
      async run(harness) {
        const owner = await owned(harness);
        const other = joined(harness, owner.runId);
        await owner.write(lines(1), { totals: '{"calls":1}' });
        await other.write(lines(1), { totals: '{"calls":5}' });
        await owner.write(lines(1), { totals: '{"calls":2}' });
        await owner.write(lines(1));
        const { state } = await read(harness, owner.runId);
        expect(state?.totals.toSorted()).toEqual(['{"calls":2}', '{"calls":5}']);
      },
    },
    {
      title: "takes totals without a line",
      async run(harness) {
        const owner = await owned(harness);
        const answer = await owner.write([], { totals: '{"calls":1}' });
        expect(answer.version).toBeGreaterThan(owner.claimed.version);
        expect((await read(harness, owner.runId)).state?.totals).toEqual(['{"calls":1}']);
      },
    },
    {
      title: "moves the version with totals that changed, not with the same ones",
      async run(harness) {
        const owner = await owned(harness);
        const first = await owner.write(lines(1), { totals: '{"calls":1}' });
        expect(await owner.write(lines(1), { totals: '{"calls":1}' })).toMatchObject({ version: first.version });
        const third = await owner.write(lines(1), { totals: '{"calls":2}' });
        expect(third.version).toBeGreaterThan(first.version);
      },
    },
    {
      title: "does not move the version with lines",
      limits: { maxLines: 3 },
      async run(harness) {
        const owner = await owned(harness);
        const version = owner.claimed.version;
        for (let i = 0; i < 5; i++) expect(await owner.write(lines(2))).toMatchObject({ version });
        expect(await joined(harness, owner.runId).write(lines(2))).toMatchObject({ version });
        expect((await read(harness, owner.runId)).run.version).toBe(version);
      },
    },
    {
      title: "moves the version with everything else that a viewer sees",
      async run(harness) {
        const owner = await owned(harness);
        const { runId } = owner;
        const changes: [string, () => Promise<unknown>][] = [
          ["start", () => owner.write([], { start: true })],
          ["layers", () => owner.write([], { layers: { text: ONE, replacesSha1: "" } })],
          ["totals", () => owner.write([], { totals: "{}" })],
          ["cancel", () => harness.store.cancel(runId)],
          ["stalled", () => harness.expireLease(runId).then(() => sweep(harness))],
          ["healed", () => owner.write([])],
          ["released", () => owner.release()],
          ["claimed", () => claimBy(harness, runId, { owner: owner.owner })],
          ["taken over", () => claimBy(harness, runId, { takeOver: true }).then((next) => Object.assign(owner, next))],
          ["ended", () => owner.end()],
          ["late lines", () => owner.append([line("late")])],
        ];
        let version = (await read(harness, runId)).run.version;
        for (const [what, change] of changes) {
          await change();
          const after = (await read(harness, runId)).run.version;
          expect(after, what).toBeGreaterThan(version);
          version = after;
        }
      },
    },
    {
      title: "tells every writer that a cancel was asked for",
      async run(harness) {
        const owner = await owned(harness);
        expect(await owner.write(lines(1))).toMatchObject({ cancelRequested: false });
        await harness.store.cancel(owner.runId);
        expect(await owner.write([])).toMatchObject({ cancelRequested: true });
        expect(await joined(harness, owner.runId).write(lines(1))).toMatchObject({ cancelRequested: true });
      },
    },
    {
      title: "lets every key of an open run live for a day without a write",
      async run(harness) {
        const owner = await owned(harness);
        await expectTtl(harness, owner.runId, 86_400, ["meta"]);
        await owner.write(lines(1), { totals: "{}", layers: { text: ONE, replacesSha1: "" } });
        await expectTtl(harness, owner.runId, 86_400, ["meta", "buffer", "layers", "producers"]);
        expect(await harness.ttlSeconds(owner.runId, "result")).toBeNull();
      },
    },
    {
      title: "sets the time to live of keys that come into being later, whoever writes them",
      limits: { openTtlSeconds: 1000 },
      async run(harness) {
        const owner = await owned(harness, { owner: null });
        await joined(harness, owner.runId).write(lines(1));
        await expectTtl(harness, owner.runId, 1000, ["meta", "buffer", "producers"]);
        const layers = { text: ONE, replacesSha1: "" };
        await joined(harness, owner.runId).write(lines(1), { layers });
        await harness.loseBufferOnly(owner.runId);
        await joined(harness, owner.runId).write(lines(1));
        await expectTtl(harness, owner.runId, 1000, ["meta", "buffer", "layers", "producers"]);
      },
    },
  ],
};
