/**
 * Owners that are killed with -9, and how long it takes until the store says so and every viewer was told. The
 * promise: a lease and four sweeps. `npm run test:faults` kills twenty at the default lease.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, expect, it } from "vitest";
import { createLivetail } from "../../src/livetail.js";
import { openAudience, VIEWER_KINDS, type ViewerKind, type Witness } from "../support/audience.js";
import { length } from "../support/length.js";
import { killOwners, startOwner } from "../support/owner-process.js";
import { startRedis } from "../support/redis.js";
import { seededRandom } from "../support/seeded-random.js";
import { until } from "../support/until.js";

const OWNERS = length(20, 4);
const LEASE_MS = length(30_000, 1500);
const SWEEP_MS = LEASE_MS / 3;
const PROMISED_MS = LEASE_MS + 4 * SWEEP_MS;
/** What a busy machine may add to a timer; the short form has many other tests beside it. */
const LATE_MS = length(200, 400);
/** The last renewal and the four sweeps may each be late. */
const LATEST_MS = PROMISED_MS + 5 * LATE_MS;
/** Nobody is given up before: a heartbeat was just due, and four sweeps are as close to each other as they come. */
const EARLIEST_MS = LEASE_MS - SWEEP_MS - LATE_MS + 3 * 0.9 * SWEEP_MS;
/** How often a viewer asks that is not told. */
const POLL_MS = 1000;

const random = seededRandom(20);
const server = await startRedis({ own: true });
const raw = new Redis(server.url);
// The other process: it sweeps, and serves those who watch.
const sweeping = createLivetail({ redis: server.url, leaseMs: LEASE_MS, authorize: () => true, onError: () => {} });
const audience = openAudience(sweeping);
afterAll(async () => {
  killOwners();
  await audience.close();
  await sweeping.close();
  raw.disconnect();
  await server.stop();
});

const storeNow = async (): Promise<number> => {
  const [seconds, micros] = await raw.time();
  return Number(seconds) * 1000 + Number(micros) / 1000;
};

/** An owner of a run with one line, every other one watched. */
async function prepare(index: number) {
  const runId = `op_dead_${index}`;
  const owner = await startOwner({ options: { redis: server.url, leaseMs: LEASE_MS } });
  await owner.call("create", runId);
  await owner.call("log", runId, "before");
  await owner.call("flush", runId);
  const kind = VIEWER_KINDS[(index >> 1) % VIEWER_KINDS.length] as ViewerKind;
  const viewer = index % 2 === 0 ? await audience.watch(kind, runId) : null;
  return { index, runId, owner, viewer };
}

/** Kills the owner at some phase of its heartbeat; every fourth one has just renewed its lease by a line. */
async function kill({ index, runId, owner, viewer }: Awaited<ReturnType<typeof prepare>>) {
  await delay(random.between(0, SWEEP_MS));
  if (index % 4 > 1) {
    await owner.call("log", runId, "last words");
    await owner.call("flush", runId);
  }
  const killed = await storeNow();
  owner.kill("SIGKILL");
  await owner.exited;
  const failed = until(
    async () => (await raw.hget(`logs:${runId}:meta`, "status")) === "failed",
    `the end of ${runId}`,
    2 * PROMISED_MS + 20_000,
  );
  const told = viewer?.finished.then(async (state) => ({ state, ms: (await storeNow()) - killed }));
  await failed;
  const [finished, code] = await raw.hmget(`logs:${runId}:meta`, "finished_at", "error_code");
  return { ms: Number(finished) - killed, code, told: (await told) ?? null, viewer };
}

const middle = (numbers: number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

it(`finds each of ${OWNERS} dead owners within a lease of ${LEASE_MS} ms and four sweeps, and tells who watches; a healthy run beside them is left alone`, {
  timeout: 4 * PROMISED_MS + 120_000,
}, async () => {
  const healthy = await startOwner({ options: { redis: server.url, leaseMs: LEASE_MS } });
  await healthy.call("create", "op_healthy");
  await healthy.call("log", "op_healthy", "before");
  const beside = await audience.watchAll("op_healthy");
  const owners = await Promise.all(Array.from({ length: OWNERS }, (_, index) => prepare(index)));
  const watched = owners.flatMap(({ viewer }) => viewer ?? []);
  await until(() => [...watched, ...beside].every((viewer) => viewer.seen() === 1), "the first lines", 60_000);

  const found = await Promise.all(owners.map(kill));
  const detection = found.map(({ ms }) => ms);
  const telling = found.flatMap(({ told }) => told?.ms ?? []);
  console.log(
    `${OWNERS} owners killed at a lease of ${seconds(LEASE_MS)}: run failed after ${seconds(middle(detection))} ` +
      `(median), ${seconds(Math.max(...detection))} (maximum) of ${seconds(PROMISED_MS)}; ` +
      `viewers told after ${seconds(middle(telling))}, ${seconds(Math.max(...telling))}.`,
  );

  expect(found.map(({ code }) => code)).toEqual(found.map(() => "OWNER_LOST"));
  expect(telling).toHaveLength(Math.ceil(OWNERS / 2));
  expect(Math.max(...detection)).toBeLessThan(LATEST_MS);
  expect(Math.max(...telling)).toBeLessThan(LATEST_MS + POLL_MS);
  expect(Math.min(...detection)).toBeGreaterThan(EARLIEST_MS);
  for (const { told, viewer } of found) expectToldOfLoss(told?.state, viewer);

  expect(await healthy.call("complete", "op_healthy")).toEqual({ status: "completed", stored: true });
  for (const viewer of beside) {
    expect(await viewer.finished).toMatchObject({ status: "completed", owner: { attempt: 1 } });
    expect(viewer.owners).toEqual(["live", "none"]);
    expect(viewer.lines()).toEqual(["before"]);
  }
  expect(await healthy.call("inspect", "op_healthy")).toMatchObject({ heard: [], aborted: null });
});

function expectToldOfLoss(state: unknown, viewer: Witness | null): void {
  if (viewer === null) return;
  expect(state).toMatchObject({ status: "failed", error_code: "OWNER_LOST", owner: { state: "lost" } });
  expect(viewer.owners.at(-1)).toBe("lost");
  expect(viewer.lines().at(-1)).toBe("owner_lost");
}
