import { once } from "node:events";
import { PassThrough } from "node:stream";
import Fastify from "fastify";
import pino from "pino";
import { afterAll, describe, expect, it } from "vitest";
import livetailTransport, { livetailStream, runMixin } from "../src/capture/pino.js";
import { createLivetail } from "../src/livetail.js";
import { capturedIn, poll, told } from "./support/captured.js";
import { startRedis } from "./support/redis.js";
import { until } from "./support/until.js";

const redis = await startRedis();
afterAll(() => redis.stop());

describe("the stream for pino", () => {
  it("logs records to the run that they belong to, with their fields, secrets redacted", async () => {
    const logger = pino({ level: "trace" }, livetailStream());
    logger.info("outside of a run");
    const { logs } = await capturedIn(async () => {
      logger.info({ source: "board", jobs: 3, token: "hush" }, "found");
      await Promise.resolve();
      logger.child({ step: "grade" }).warn("slow %s", "answer");
      logger.trace("detail");
      logger.error(new TypeError("no answer"));
    });
    expect(logs).toMatchObject([
      { level: "info", message: "found", metadata: { source: "board", jobs: 3, token: "[redacted]" } },
      { level: "warn", message: "slow answer", metadata: { step: "grade" } },
      { level: "debug", message: "detail" },
      { level: "error", message: "no answer", error: "no answer" },
    ]);
    expect(logs[3]?.traceback).toMatch(/^TypeError: no answer\n +at /);
    expect(JSON.stringify(logs)).not.toContain("hush");
  });

  it("stands beside other destinations, and takes the logger of a Fastify request", async () => {
    const out = new PassThrough();
    const app = Fastify({ logger: { stream: pino.multistream([{ stream: out }, { stream: livetailStream() }]) } });
    let answer = await capturedIn(() => {});
    app.get("/jobs", async (request) => {
      answer = await capturedIn(() => request.log.info({ event: "job_scored", score: 7 }, "scored"));
      return "done";
    });
    await app.inject("/jobs");
    await app.close();
    expect(answer.logs).toMatchObject([{ event: "job_scored", message: "scored", metadata: { score: 7 } }]);
    expect(String(out.read())).toContain('"msg":"scored"');
  });

  it("cuts a record of a megabyte to a line, and takes what is no JSON as text", async () => {
    const stream = livetailStream();
    const answer = await capturedIn(() => {
      pino({}, stream).info({ body: "x".repeat(1_000_000) }, "large");
      stream.write("not a record\n");
      stream.write('{"level":30,"msg":"cut');
    });
    expect(answer.logs[0]).toMatchObject({ message: "large", truncated: true });
    expect(told(answer).slice(1)).toEqual([
      { level: "info", message: "not a record" },
      { level: "info", message: '{"level":30,"msg":"cut' },
    ]);
  });
});

describe("the transport for pino", () => {
  it("logs from pino's worker thread to the runs that records name", async () => {
    const livetail = createLivetail({ redis: redis.url, authorize: () => true });
    const transport = pino.transport({ target: "livetail/pino", options: { redis: redis.url } });
    await once(transport, "ready");
    const logger = pino({ mixin: runMixin }, transport);
    const names = ["a", "b"];
    const ids = new Map<string, string>();
    logger.info("outside of a run");
    await Promise.all(
      names.map((name) =>
        livetail.runOperation("job", name, async (run) => {
          ids.set(name, run.id);
          await run.ready;
          for (let i = 0; i < 50; i++) {
            logger.info({ i }, `${name} ${i}`);
            await Promise.resolve();
          }
          await new Promise((resolve) => transport.flush(resolve));
          await until(async () => (await poll(livetail, run.id)).next_index === 50, "the lines");
        }),
      ),
    );
    const closed = once(transport, "close");
    transport.end();
    await closed;
    for (const [name, id] of ids) {
      const { logs } = await poll(livetail, id);
      expect(logs.map(({ message }) => message)).toEqual(Array.from({ length: 50 }, (_, i) => `${name} ${i}`));
      expect(logs[7]).toMatchObject({ level: "info", metadata: { i: 7 } });
      expect(JSON.stringify(logs)).not.toContain("livetail_run");
    }
    await livetail.close();
  }, 60_000);

  it("stores what waits before it ends", async () => {
    const livetail = createLivetail({ redis: redis.url, authorize: () => true });
    const run = livetail.createOperationRun("job", "late");
    await run.ready;
    const transport = livetailTransport({ redis: redis.url });
    for (let i = 0; i < 100; i++) transport.write(`{"level":30,"livetail_run":"${run.id}","msg":"line ${i}"}\n`);
    transport.end('rubbish "livetail_run"\n{"livetail_run":7,"msg":"x"}');
    await once(transport, "close");
    const { logs } = await poll(livetail, run.id);
    expect(logs.map(({ message }) => message)).toEqual(Array.from({ length: 100 }, (_, i) => `line ${i}`));
    await run.complete();
    await livetail.close();
  });

  it("cannot do without a Redis", () => {
    expect(() => livetailTransport({} as never)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
  });
});
