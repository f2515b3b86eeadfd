/**
 * Processes whose clocks are hours apart, ahead and behind. Whatever is judged is judged by the store's clock; what a
 * line says of its time is its writer's.
 */
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { redisStore } from "../../src/store/redis.js";
import { killOwners, type OwnerProcess, startOwner } from "../support/owner-process.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/until.js";

/** The first is the most ahead, so that what comes later bears an earlier time. */
const HOURS = [5, 0, -7] as const;
const HOUR_MS = 3_600_000;
const LEASE_MS = 1500;
const LONG_LEASE_MS = 600_000;
const QUEUED_TTL_SECONDS = 5;

const server = await startRedis({ own: true });
const raw = new Redis(server.url);
// It reads; a livetail here would sweep, with a clock that is right.
const store = redisStore({ client: server.url });
afterAll(async () => {
  killOwners();
  await store.close();
  raw.disconnect();
  await server.stop();
});

async function read(runId: string) {
  const from = { kind: "at", epoch: "", index: 0 } as const;
  const answer = await store.read({ runId, from, limit: 1000, known: null });
  if (answer === null) throw new Error(`There is no run ${runId}.`);
  return { ...answer, entries: answer.lines.map((line) => JSON.parse(line) as { message: string; timestamp: string }) };
}

const startSkewed = (skewHours: number, leaseMs: number): Promise<OwnerProcess> =>
  startOwner({
    skewHours,
    options: { redis: server.url, leaseMs, queuedTtlSeconds: QUEUED_TTL_SECONDS, ownerId: `owner at ${skewHours} h` },
  });

const startAll = (leaseMs: number) =>
  Promise.all(HOURS.map(async (hours) => ({ hours, owner: await startSkewed(hours, leaseMs) })));

describe("processes whose clocks are hours apart", () => {
  it("have leases, times, fences and times to live by the store's clock, and lines that bear their own", async () => {
    const owners = await startAll(LONG_LEASE_MS);
    const shared = "op_shared";
    await owners[0]?.owner.call("create", shared);
    const before = (await read(shared)).now;
    for (const { hours, owner } of owners) {
      await owner.call("create", `op_${hours}`);
      await owner.call("log", `op_${hours}`, "own");
      await owner.call("layer", `op_${hours}`, "fetch");
      await owner.call("flush", `op_${hours}`);
      await owner.call("join", shared, `at ${hours} h`);
      await until(async () => (await read(shared)).entries.at(-1)?.message === `at ${hours} h`, "the shared line");
    }
    for (const { hours } of owners) {
      const { now, run, entries } = await read(`op_${hours}`);
      expect(run.leaseUntil).toBeGreaterThan(now);
      expect(run.leaseUntil).toBeLessThanOrEqual(now + LONG_LEASE_MS);
      for (const time of [run.createdAt, run.startedAt, Number(await raw.hget(`logs:op_${hours}:meta`, "fence"))]) {
        expect(time).toBeGreaterThanOrEqual(before);
        expect(time).toBeLessThanOrEqual(now);
      }
      for (const name of ["meta", "buffer", "layers", "producers"]) {
        const ttl = await raw.ttl(`logs:op_${hours}:${name}`);
        expect(Math.abs(ttl - 86_400), name).toBeLessThan(60);
      }
      expect(await raw.pttl(`logs:owner:op_${hours}`)).toBeGreaterThan(LONG_LEASE_MS - 60_000);
      expect(await raw.pttl(`logs:owner:op_${hours}`)).toBeLessThanOrEqual(LONG_LEASE_MS);
      expect(hoursAhead(entries[0]?.timestamp, now)).toBe(hours);
    }
    const { now, entries } = await read(shared);
    expect(entries.map(({ message }) => message)).toEqual(HOURS.map((hours) => `at ${hours} h`));
    expect(entries.map(({ timestamp }) => hoursAhead(timestamp, now))).toEqual([...HOURS]);

    // The newest first, as they were created.
    const listed = (await store.list({ limit: 10 })).map(({ run_id }) => run_id);
    expect(listed).toEqual([...[...HOURS].reverse().map((hours) => `op_${hours}`), shared]);
    for (const { hours, owner } of owners) {
      expect(await owner.call("complete", `op_${hours}`)).toEqual({ status: "completed", stored: true });
      const { now, run } = await read(`op_${hours}`);
      expect(run.finishedAt).toBeGreaterThanOrEqual(run.startedAt);
      expect(run.finishedAt).toBeLessThanOrEqual(now);
    }
  });

  it("take runs over from each other, whoever's clock is behind, and fence the one before", async () => {
    const owners = await startAll(LONG_LEASE_MS);
    const [ahead, , behind] = owners.map(({ owner }) => owner) as [OwnerProcess, OwnerProcess, OwnerProcess];
    const runId = "op_taken";
    const fence = async () => Number(await raw.hget(`logs:${runId}:meta`, "fence"));
    let last = 0;
    // From the one that is ahead to the one that is behind, and back.
    for (const [from, to] of [
      [null, ahead],
      [ahead, behind],
      [behind, ahead],
    ] as const) {
      if (from !== null) {
        expect(String(await to.call("create", runId).catch(String))).toContain("live owner");
      }
      await to.call("create", runId, { takeOver: true });
      expect(await fence()).toBeGreaterThan(last);
      last = await fence();
      await from?.call("log", runId, "too late");
      await from?.call("flush", runId);
      if (from !== null) expect(await from.call("inspect", runId)).toMatchObject({ aborted: "FENCED" });
    }
    expect((await read(runId)).run).toMatchObject({ attempt: 3, owner: "owner at 5 h" });
  });

  it("sweep each other neither too early nor too late, also who dies before its first heartbeat", async () => {
    const owners = await startAll(LEASE_MS);
    for (const { hours, owner } of owners) {
      // The first thing that the process does: it knows nothing of the store's clock yet.
      await owner.call("create", `op_nobodys_${hours}`, { handOver: true });
      await owner.call("create", `op_healthy_${hours}`);
      await owner.call("log", `op_healthy_${hours}`, "before");
    }
    const doomed = await startAll(LEASE_MS);
    await Promise.all(
      doomed.map(async ({ hours, owner }) => {
        await owner.call("create", `op_doomed_${hours}`);
        owner.kill("SIGKILL");
        await owner.exited;
      }),
    );
    for (const { hours } of doomed) {
      const found = async () => (await read(`op_doomed_${hours}`)).run.errorCode === "OWNER_LOST";
      await until(found, `the death of who is ${hours} h ahead`, LEASE_MS + (4 * LEASE_MS) / 3 + 5000);
      const unwanted = async () => (await read(`op_nobodys_${hours}`)).run.errorCode === "NEVER_STARTED";
      await until(unwanted, `the end of what nobody took, at ${hours} h`, QUEUED_TTL_SECONDS * 1000 + 5000);
      const { run } = await read(`op_nobodys_${hours}`);
      expect(run.finishedAt - run.createdAt).toBeGreaterThanOrEqual(QUEUED_TTL_SECONDS * 1000);
    }
    for (const { hours, owner } of owners) {
      const { run } = await read(`op_healthy_${hours}`);
      expect(run).toMatchObject({ status: "running", stalledSweeps: 0, attempt: 1 });
      expect(await owner.call("complete", `op_healthy_${hours}`)).toEqual({ status: "completed", stored: true });
      expect(await owner.call("inspect", `op_healthy_${hours}`)).toMatchObject({ heard: [] });
    }
  });
});

/** How many hours a line's time is ahead. */
function hoursAhead(timestamp: string | undefined, now: number): number {
  return Math.round((Date.parse(timestamp ?? "") - now) / HOUR_MS) + 0;
}
