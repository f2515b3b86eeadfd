/**
 * Owners whose event loop is blocked: nothing is renewed, sent or received, while the process lives. The owner has
 * lines on their way and lines that have not left. `npm run test:faults` does it at the default lease.
 */
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { createLivetail } from "../../src/livetail.js";
import { openAudience } from "../support/audience.js";
import { length } from "../support/length.js";
import { killOwners, startOwner } from "../support/owner-process.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/until.js";

const LEASE_MS = length(30_000, 2500);
const DEADLINE_MS = 5 * LEASE_MS + 30_000;

const server = await startRedis({ own: true });
const raw = new Redis(server.url);
const watching = createLivetail({ redis: server.url, leaseMs: LEASE_MS, authorize: () => true, onError: () => {} });
const audience = openAudience(watching);
afterAll(async () => {
  killOwners();
  await audience.close();
  await watching.close();
  raw.disconnect();
  await server.stop();
});

/** An owner with one line stored, and viewers that have seen it. */
async function prepare(runId: string) {
  const owner = await startOwner({ options: { redis: server.url, leaseMs: LEASE_MS } });
  await owner.call("create", runId);
  await owner.call("log", runId, "before");
  const viewers = await audience.watchAll(runId);
  await until(() => viewers.every((viewer) => viewer.seen() === 1), "the first line", DEADLINE_MS);
  await owner.call("heartbeat", runId);
  return { owner, viewers };
}

describe.concurrent(`an owner whose event loop is blocked, at a lease of ${LEASE_MS} ms`, () => {
  it("for one and a half leases is shown as stalled, then as live, and completes as if nothing had been", {
    timeout: DEADLINE_MS,
  }, async () => {
    const runId = "op_short_block";
    const { owner, viewers } = await prepare(runId);
    const blocked = owner.call("block", runId, 1.5 * LEASE_MS, "on its way", "unsent 0", "unsent 1");
    // A plain poll asks once a second, and may miss what the short form shows for less.
    const held = viewers.filter(({ name }) => length(true, name !== "poll"));
    await until(() => held.every(({ owners }) => owners.includes("stalled")), "stalled", DEADLINE_MS);
    expect(await raw.hget(`logs:${runId}:meta`, "status")).toBe("running");
    await blocked;
    await until(() => viewers.every(({ owners }) => owners.at(-1) === "live"), "live", DEADLINE_MS);
    await owner.call("log", runId, "after");
    expect(await owner.call("complete", runId)).toEqual({ status: "completed", stored: true });
    for (const viewer of viewers) {
      expect(await viewer.finished).toMatchObject({ status: "completed", late_lines: 0, owner: { attempt: 1 } });
      expect(viewer.owners.join(" ")).toMatch(/^live (stalled live )?none$/);
      expect(viewer.lines()).toEqual(["before", "on its way", "unsent 0", "unsent 1", "after"]);
      expect(viewer.errors).toEqual([]);
    }
    // The store was there all the time, though its answers could not be heard.
    expect(await owner.call("inspect", runId)).toMatchObject({ heard: [], aborted: null, dropped: 0 });
  });

  it("for three leases loses its run as OWNER_LOST, is told so, and its late lines are counted", {
    timeout: DEADLINE_MS,
  }, async () => {
    const runId = "op_long_block";
    const { owner, viewers } = await prepare(runId);
    const blocked = owner.call("block", runId, 3 * LEASE_MS, "on its way", "unsent 0", "unsent 1");
    const lost = { status: "failed", error_code: "OWNER_LOST", owner: { state: "lost" } };
    for (const viewer of viewers) {
      expect(await viewer.finished).toMatchObject(lost);
      expect(viewer.owners.join(" ")).toMatch(/^live (stalled )?lost$/);
      expect(viewer.lines()).toEqual(["before", "on its way", "owner_lost"]);
    }
    await blocked;
    expect(await owner.call("complete", runId)).toEqual({ status: "failed", stored: true });
    expect(await owner.call("inspect", runId)).toMatchObject({
      status: "failed",
      heard: ["RUN_ENDED"],
      waitingLines: 0,
      // The operation is not stopped: it may still hand its result to whoever called it.
      aborted: null,
    });
    expect(await watching.reader.status(runId)).toMatchObject({ ...lost, late_lines: 2, total_count: 3 });
  });

  it("and that fails its run after three leases hears that the run had ended otherwise", {
    timeout: DEADLINE_MS,
  }, async () => {
    const runId = "op_block_and_fail";
    const owner = await startOwner({ options: { redis: server.url, leaseMs: LEASE_MS } });
    await owner.call("create", runId);
    await owner.call("log", runId, "before");
    await owner.call("flush", runId);
    expect(await owner.call("blockAndFail", runId, 3 * LEASE_MS, "unsent")).toEqual({ status: "failed", stored: true });
    expect(await owner.call("inspect", runId)).toMatchObject({ heard: ["RUN_ENDED"] });
    const { error_code, error, late_lines } = await watching.reader.status(runId);
    expect({ error_code, error, late_lines }).toEqual({
      error_code: "OWNER_LOST",
      error: "The process that executed the run is gone.",
      late_lines: 1,
    });
  });
});
