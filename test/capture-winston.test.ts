import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import winston from "winston";
import Transport from "winston-transport";
import { LivetailTransport } from "../src/capture/winston.js";
import { capturedIn, told } from "./support/captured.js";

describe("the transport for winston", () => {
  it("logs records to the run that they belong to, with their fields", async () => {
    const logger = winston.createLogger({ level: "silly", transports: [new LivetailTransport()] });
    logger.info("outside of a run");
    const { logs } = await capturedIn(async () => {
      logger.info("found", { source: "board", jobs: 3 });
      await Promise.resolve();
      logger.child({ step: "grade" }).warn("slow");
      logger.silly("detail");
      logger.error(new TypeError("no answer"));
    });
    expect(logs).toMatchObject([
      { level: "info", message: "found", metadata: { source: "board", jobs: 3 } },
      { level: "warn", message: "slow", metadata: { step: "grade" } },
      { level: "debug", message: "detail" },
      { level: "error", message: "no answer", error: "TypeError: no answer" },
    ]);
    logger.close();
  });

  it("takes the level as it was before a format coloured it, and keeps to its own level", async () => {
    const { combine, colorize, splat } = winston.format;
    const logger = winston.createLogger({
      level: "debug",
      format: combine(colorize({ all: false, level: true }), splat()),
      transports: [new LivetailTransport({ level: "warn" })],
    });
    const answer = await capturedIn(() => {
      logger.info("not wanted");
      logger.error("source %s failed", "b");
    });
    expect(told(answer)).toEqual([{ level: "error", message: "source b failed" }]);
    logger.close();
  });

  it("counts the cost of a record that tells one", async () => {
    const logger = winston.createLogger({ transports: [new LivetailTransport()] });
    const { backend_stats: stats } = await capturedIn(() =>
      logger.info("graded", { event: "llm_call_complete", backend: "openrouter", cost_usd: 0.25 }),
    );
    expect(stats.backends.openrouter).toMatchObject({ calls: 1, cost_usd: 0.25 });
    logger.close();
  });

  it("knows the run of a record that a slow transport beside it held back", async () => {
    const held: (() => void)[] = [];
    class Slow extends Transport {
      override log(_info: unknown, next: () => void): void {
        held.push(next);
      }
    }
    const logger = winston.createLogger({
      transports: [new Slow({ highWaterMark: 1 } as never), new LivetailTransport()],
    });
    const count = 100;
    let release = true;
    const releasing = (async () => {
      while (release) {
        for (const next of held.splice(0)) next();
        await turn();
      }
    })();
    const logged = (name: string) => async (run: { log(text: string): void; flush(): Promise<void> }) => {
      for (let i = 0; i < count; i++) logger.info(`${name} ${i}`);
      while (logger.writableLength > 0 || logger.readableLength > 0) await turn();
      await run.flush();
    };
    const [a, b] = await Promise.all([capturedIn(logged("a")), capturedIn(logged("b"))]);
    release = false;
    await releasing;
    expect(a.logs.map(({ message }) => message)).toEqual(Array.from({ length: count }, (_, i) => `a ${i}`));
    expect(b.logs.map(({ message }) => message)).toEqual(Array.from({ length: count }, (_, i) => `b ${i}`));
    logger.close();
  });
});
