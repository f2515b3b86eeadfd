/**
 * Owners that come back from the dead: stopped by SIGSTOP with lines that have not left, replaced meanwhile, and
 * continued. Whatever they try then, the run is their heir's.
 */
import { readFile } from "node:fs/promises";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { createLivetail } from "../../src/livetail.js";
import { killOwners, type OwnerProcess, startOwner } from "../support/owner-process.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/until.js";

const server = await startRedis({ own: true });
const raw = new Redis(server.url);
afterAll(async () => {
  killOwners();
  raw.disconnect();
  await server.stop();
});

/** All of a run that a zombie could spoil: every key, and how its owner's key expires. */
async function stored(runId: string) {
  const [meta, lines, layers, owner, producers] = await Promise.all([
    raw.hgetall(`logs:${runId}:meta`),
    raw.lrange(`logs:${runId}:buffer`, 0, -1),
    raw.get(`logs:${runId}:layers`),
    raw.get(`logs:owner:${runId}`),
    raw.hgetall(`logs:${runId}:producers`),
  ]);
  return { meta, layers, owner, producers, lines: lines.map((line) => JSON.parse(line)) };
}

const messages = (lines: { message?: string; event?: string }[]) => lines.map(({ message, event }) => message ?? event);

/** An owner with one stored line, stopped with three more that have not left. */
async function stopped(runId: string, leaseMs: number): Promise<{ zombie: OwnerProcess; awake: Promise<void> }> {
  const zombie = await startOwner({ options: { redis: server.url, leaseMs, endTimeoutMs: 5000 } });
  await zombie.call("create", runId);
  await zombie.call("log", runId, "before");
  await zombie.call("flush", runId);
  const awake = zombie.call("logAndSignal", runId, "SIGSTOP", "unsent 0", "unsent 1", "unsent 2");
  await until(async () => (await stateOf(zombie)) === "T", "the process to stop");
  return { zombie, awake };
}

/** The letter that Linux shows of a process: T when it is stopped. */
async function stateOf({ child }: OwnerProcess): Promise<string> {
  return (await readFile(`/proc/${child.pid}/stat`, "utf8")).replace(/^.*\) /s, "").charAt(0);
}

/** Everything that it can try; `stored` of the end and of the release. */
async function tryEverything(zombie: OwnerProcess, runId: string) {
  await zombie.call("heartbeat", runId);
  await zombie.call("layer", runId, "zombie");
  await zombie.call("log", runId, "still talking");
  await zombie.call("flush", runId);
  await zombie.call("heartbeat", runId);
  return [await zombie.call("complete", runId), await zombie.call("release", runId)];
}

describe("a zombie", () => {
  it("that was replaced can neither write nor renew nor end, is told so, and knows how many lines it lost", async () => {
    const runId = "op_taken";
    const { zombie, awake } = await stopped(runId, 30_000);
    // An heir that renews nothing, so that whatever moves is the zombie's doing.
    const heirs = createLivetail({ redis: server.url, leaseMs: 600_000, onError: () => {} });
    const heir = heirs.createOperationRun("subject", "owned", { id: runId, takeOver: true });
    heir.layer("heir", "running");
    heir.log("mine");
    await heir.flush();
    const before = await stored(runId);
    expect(messages(before.lines)).toEqual(["before", "owner_changed", "mine"]);

    zombie.kill("SIGCONT");
    await awake;
    await until(async () => (await zombie.call("inspect", runId)).aborted === "FENCED", "the zombie to be told");
    const outcomes = await tryEverything(zombie, runId);
    expect(outcomes.map((outcome) => outcome.stored)).toEqual([false, false]);
    expect(await zombie.call("inspect", runId)).toMatchObject({
      aborted: "FENCED",
      heard: ["FENCED"],
      waitingLines: 0,
      // Three unsent ones and the one that was logged since.
      dropped: 4,
    });
    expect(await stored(runId)).toEqual(before);

    heir.log("and mine");
    expect(await heir.complete({ by: "heir" })).toEqual({ status: "completed", stored: true });
    const after = await stored(runId);
    expect(messages(after.lines)).toEqual(["before", "owner_changed", "mine", "and mine"]);
    expect(after.meta).toMatchObject({ status: "completed", attempt: "2", late_lines: "0" });
    await heirs.close();
  });

  it("whose run was ended as OWNER_LOST is told so, and its lines are counted as late", async () => {
    const runId = "op_lost";
    const leaseMs = 600;
    const { zombie, awake } = await stopped(runId, leaseMs);
    const sweeping = createLivetail({ redis: server.url, leaseMs, onError: () => {} });
    await until(async () => (await stored(runId)).meta.status === "failed", "the sweeps");
    const { meta, lines, layers } = await stored(runId);
    expect(messages(lines)).toEqual(["before", "owner_lost"]);

    zombie.kill("SIGCONT");
    await awake;
    await until(async () => (await zombie.call("inspect", runId)).heard.length > 0, "the zombie to be told");
    const outcomes = await tryEverything(zombie, runId);
    expect(outcomes).toEqual(Array(2).fill({ status: "failed", stored: true }));
    await until(async () => (await stored(runId)).meta.late_lines === "4", "the late lines");
    expect(await zombie.call("inspect", runId)).toMatchObject({
      status: "failed",
      aborted: null,
      heard: ["RUN_ENDED"],
      waitingLines: 0,
      dropped: 0,
    });
    const after = await stored(runId);
    expect({ ...after.meta, version: 0, late_lines: 0 }).toEqual({ ...meta, version: 0, late_lines: 0 });
    expect([after.lines, after.layers, after.owner]).toEqual([lines, layers, null]);
    await sweeping.close();
  });

  it("that gave its run back writes no more to it, whether or not somebody adopted it, and counts what it tried", async () => {
    for (const adopted of [false, true]) {
      const runId = `op_released_${adopted}`;
      const zombie = await startOwner({ options: { redis: server.url, leaseMs: 600_000 } });
      await zombie.call("create", runId);
      await zombie.call("log", runId, "attempt 1");
      expect(await zombie.call("release", runId)).toEqual({ status: "queued", stored: true });
      const heirs = createLivetail({ redis: server.url, leaseMs: 600_000, onError: () => {} });
      const heir = adopted ? heirs.createOperationRun("subject", "owned", { id: runId }) : null;
      await heir?.ready;
      const before = await stored(runId);

      await zombie.call("log", runId, "one", "two");
      await until(async () => (await zombie.call("inspect", runId)).heard.length > 0, "the zombie to be told");
      await tryEverything(zombie, runId);
      expect(await zombie.call("inspect", runId)).toMatchObject({ heard: ["FENCED"], waitingLines: 0, dropped: 3 });
      expect(await stored(runId)).toEqual(before);
      await heir?.complete();
      await heirs.close();
    }
  });

  it("that was stopped before a takeover cannot give the run back from under its heir", async () => {
    const runId = "op_not_its_to_give";
    const { zombie, awake } = await stopped(runId, 30_000);
    const heirs = createLivetail({ redis: server.url, leaseMs: 600_000, onError: () => {} });
    await heirs.createOperationRun("subject", "owned", { id: runId, takeOver: true }).ready;
    const before = await stored(runId);
    // Asked before it is awake, so that it is the first thing that it does then.
    const released = zombie.call("release", runId);
    zombie.kill("SIGCONT");
    await awake;
    expect(await released).toMatchObject({ stored: false });
    expect(await stored(runId)).toEqual(before);
    expect(await zombie.call("inspect", runId)).toMatchObject({ aborted: "FENCED", dropped: 3 });
    await heirs.close();
  });
});
