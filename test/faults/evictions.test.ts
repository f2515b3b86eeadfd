/** A Redis at its memory limit evicts keys one by one: every key of a run can be the one that is missing. */
import { Redis } from "ioredis";
import { afterAll, expect, it } from "vitest";
import { createLivetail } from "../../src/livetail.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/until.js";

const server = await startRedis({ own: true });
const raw = new Redis(server.url);
const livetail = createLivetail({ redis: server.url, maxLines: 50, onError: () => {} });
const elsewhere = createLivetail({ redis: server.url, maxLines: 50, onError: () => {} });
afterAll(async () => {
  await livetail.close();
  await elsewhere.close();
  raw.disconnect();
  await server.stop();
});

async function read(runId: string) {
  const from = { kind: "at", epoch: "", index: 0 } as const;
  const answer = await livetail.store.read({ runId, from, limit: 1000, known: null });
  if (answer === null) throw new Error("There is no such run.");
  return { ...answer, messages: answer.lines.map((line): string => JSON.parse(line).message) };
}

const numbered = (name: string, from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `${name} ${from + i}`);

it("doubles no line of an epoch when nobody knows any more who has stored what: all is sent again above a gap", async () => {
  const run = livetail.createOperationRun("job", "producers");
  const log = elsewhere.createLogCallback(run.id);
  for (const line of numbered("ours", 0, 10)) run.log(line);
  await run.flush();
  for (const line of numbered("theirs", 0, 10)) log(line);
  await until(async () => (await read(run.id)).run.next === 20, "both");
  const before = await read(run.id);
  await raw.del(`logs:${run.id}:producers`);
  run.log("ours 10");
  await run.flush();
  log("theirs 10");
  await until(async () => (await read(run.id)).messages.length === 22, "all that was sent again");
  const after = await read(run.id);
  expect(after.run).toMatchObject({ first: 20, next: 42 });
  expect(after.run.epoch).not.toBe(before.run.epoch);
  expect(after.messages).toEqual([...numbered("ours", 0, 11), ...numbered("theirs", 0, 11)]);
  expect(await run.complete()).toEqual({ status: "completed", stored: true });
});

it("says all layers again at the next change when they were evicted", async () => {
  const run = livetail.createOperationRun("job", "layers");
  run.layer("fetch", "success");
  run.layer("parse", "running");
  await run.flush();
  await raw.del(`logs:${run.id}:layers`);
  run.layer("parse", "success");
  await run.flush();
  const { state } = await read(run.id);
  expect(JSON.parse(state?.layers ?? "{}")).toMatchObject({
    fetch: { status: "success" },
    parse: { status: "success" },
  });
});
