/** What viewers are answered while the store is away, in each way in which a Redis can be: at once or within the time-out, never a wrong thing. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { createNodeHandler } from "../../src/adapters/node.js";
import { createLivetail } from "../../src/livetail.js";
import { startRedis } from "../support/redis.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "../support/until.js";

const COMMAND_TIMEOUT_MS = 500;
/** What a busy machine may add to the time-out; without one an answer would never come. */
const BUSY_MS = 5000;

const redis = await startRedis({ aof: true });
const proxy = await startTcpProxy(redis.port);
afterAll(async () => {
  await proxy.close();
  await redis.stop();
});

const OUTAGES: [string, () => Promise<void> | void, () => Promise<void> | void][] = [
  ["is killed", () => redis.kill(), () => redis.restart()],
  ["is stopped", () => redis.kill("SIGSTOP"), () => redis.kill("SIGCONT")],
  ["answers nothing", () => proxy.swallowAnswers(), () => proxy.heal()],
  ["refuses connections", () => proxy.refuse(), () => proxy.heal()],
];

/** The frames of a stream, for as long as it is open. */
function openStream(url: string) {
  const leaving = new AbortController();
  const stream = { text: "", status: 0, ended: false, leave: () => leaving.abort() };
  const read = async (): Promise<void> => {
    const { body, status } = await fetch(url, { signal: leaving.signal });
    stream.status = status;
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
      stream.text += part.value;
    }
    stream.ended = true;
  };
  read().catch(() => {});
  return stream;
}

describe.each(OUTAGES)("while Redis %s", (_what, begin, end) => {
  it("every read, list, cancel and delete is answered STORE_UNAVAILABLE, and streams stay, say so and go on", async () => {
    const options = {
      redis: `redis://127.0.0.1:${proxy.port}`,
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      onError: () => {},
    };
    const writing = createLivetail(options);
    const serving = createLivetail({ ...options, authorize: () => true });
    const server = createServer(createNodeHandler(serving, { mount: "/operations" }));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/operations`;
    const ended = writing.createOperationRun("job", "ended");
    ended.log("over");
    await ended.complete({ answer: 42 });
    // Whether a cancel or a delete without an answer was done, nobody can know: these two are for that.
    const doomed = writing.createOperationRun("job", "doomed");
    await doomed.ready;
    const removed = writing.createOperationRun("job", "removed");
    await removed.complete();
    const open = writing.createOperationRun("job", "open");
    open.log("before");
    await open.flush();
    // One run is known to the serving process, with a cursor that has seen everything; the others are not.
    const { cursor } = await (await fetch(`${base}/${open.id}?since=0`)).json();
    const stream = openStream(`${base}/${open.id}/stream`);
    await until(() => stream.text.includes('"before"'), "the stream");

    await begin();
    const late = openStream(`${base}/${ended.id}/stream`);
    const asked: [string, string][] = [
      ["GET", `/${ended.id}`],
      ["GET", `/${ended.id}?tail=1&wait=20`],
      ["GET", `/${ended.id}/status`],
      ["GET", `/${ended.id}/progress`],
      ["GET", `/${ended.id}/result`],
      ["GET", `/${ended.id}/download`],
      ["GET", `/${open.id}/status`],
      ["GET", "/"],
      ["POST", `/${doomed.id}/cancel`],
      ["DELETE", `/${removed.id}`],
    ];
    await Promise.all(
      asked.map(async ([method, path]) => {
        const began = performance.now();
        const answer = await fetch(base + path, { method });
        const { code, detail } = await answer.json();
        expect({ path, status: answer.status, code }).toEqual({ path, status: 503, code: "STORE_UNAVAILABLE" });
        expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
        expect(detail).not.toMatch(/127\.0\.0\.1|ECONN.*\d{4}/);
        expect(performance.now() - began).toBeLessThan(COMMAND_TIMEOUT_MS + BUSY_MS);
      }),
    );
    await until(() => stream.text.includes('"store":"unavailable"'), "the stream to say so");
    await until(() => late.text.includes('"store":"unavailable"'), "the stream of a run that was never read to say so");
    // What is known stays what it was: nothing is told to have ended, and a held poll says what is wrong.
    const held = await fetch(`${base}/${open.id}?cursor=${cursor}&wait=20`);
    expect(await held.json()).toMatchObject({ code: "STORE_UNAVAILABLE" });
    const health = await fetch(`${base}/-/health`);
    expect(await health.json()).toMatchObject({ store: "unavailable" });
    open.log("meanwhile");

    await end();
    await until(
      () => /"store":"unavailable"[\s\S]*"store":"ok"/.test(stream.text),
      "the stream to say that it is back",
    );
    await open.complete();
    await until(() => stream.ended && late.ended, "the streams to end", 30_000);
    expect([stream.status, late.status]).toEqual([200, 200]);
    expect(stream.text).toMatch(/"store":"unavailable"[\s\S]*"store":"ok"[\s\S]*"meanwhile"[\s\S]*event: end/);
    expect(late.text).toMatch(/"store":"unavailable"[\s\S]*event: hello[\s\S]*"over"[\s\S]*event: end/);
    expect(await (await fetch(`${base}/${ended.id}/result`)).json()).toEqual({ answer: 42 });
    server.closeAllConnections();
    server.close();
    await writing.close();
    await serving.close();
  });
});
