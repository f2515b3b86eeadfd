import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { StructuredLogger } from "../src/logger.js";
import type { PollAnswer } from "../src/protocol.js";
import type { Run } from "../src/run.js";
import { memoryStore } from "../src/store/memory.js";
import { poll } from "./support/captured.js";

const opened: Livetail[] = [];
afterEach(() => Promise.all(opened.splice(0).map((livetail) => livetail.close())));

/** What a viewer gets of what `work` logs with these rules, and what was told to `onError`. */
async function seen(
  rules: Pick<LivetailOptions, "events" | "parsers">,
  work: (run: Run) => unknown,
): Promise<PollAnswer & { heard: string[] }> {
  const heard: string[] = [];
  const onError: LivetailOptions["onError"] = ({ code, message }) => heard.push(`${code} ${message}`);
  const livetail = createLivetail({ store: memoryStore(), onError, ...rules, authorize: () => true });
  opened.push(livetail);
  const run = livetail.createOperationRun("job", "rules");
  await work(run);
  await run.complete();
  return { ...(await poll(livetail, run.id)), heard };
}

const schema = z.object({ job_id: z.string(), score: z.number().max(10) });
const events = {
  job_scored: {
    schema,
    message: ({ job_id, score }: { job_id?: unknown; score?: unknown }) => `${job_id}: ${score} of 10`,
  },
};

/** A line as a logger in another process prints it. */
function printed(event: string, fields: Record<string, unknown>): string {
  const lines: string[] = [];
  new StructuredLogger({ out: { write: (text) => lines.push(text.trim()) } }).info(event, fields);
  return lines.join();
}

describe("the rule of an event", () => {
  it("makes the message of its lines, however they come", async () => {
    const { logs, heard } = await seen({ events }, (run) => {
      run.logger.info("job_scored", { job_id: "a", score: 1 });
      run.logger.child({ step: "x" }).warn("job_scored", { job_id: "b", score: 2 });
      run.log({ event: "job_scored", job_id: "c", score: 3 });
      run.logOutput('{"event":"job_scored","job_id":"d","score":4,"level":30,"time":1767225600000,"pid":1}');
      run.logOutput(printed("job_scored", { job_id: "e", score: 5 }), "stdout");
    });
    expect(logs.map(({ message }) => message)).toEqual(
      ["a: 1", "b: 2", "c: 3", "d: 4", "e: 5"].map((m) => `${m} of 10`),
    );
    expect(logs[0]).toMatchObject({ job_id: "a", event: "job_scored", metadata: { score: 1 } });
    expect(heard).toEqual([]);
  });

  it("leaves a message that a line has, and other events", async () => {
    const { logs } = await seen({ events }, (run) => {
      run.logger.info("job_scored", { job_id: "a", score: 1, message: "mine" });
      run.logOutput('{"event":"job_scored","job_id":"a","score":1,"msg":"theirs"}');
      run.logger.info("job_seen", { job_id: "a" });
      run.logger.info("constructor", {});
    });
    expect(logs.map(({ message }) => message)).toEqual([
      "mine",
      "theirs",
      "job_seen: job_id=a",
      "constructor: job_id=job",
    ]);
  });

  it("flags a line that is not what its schema says, keeps all of it, and tells of it once", async () => {
    const { logs, heard, backend_stats } = await seen({ events }, (run) => {
      run.logger.error("job_scored", { job_id: "a", score: 11, backend: "b", cost_usd: 0.5 });
      run.log({ event: "job_scored", score: "eight" });
      run.logOutput('{"event":"job_scored"}');
      run.logger.info("job_scored");
    });
    expect(logs).toMatchObject([
      {
        level: "error",
        job_id: "a",
        cost_usd: 0.5,
        metadata: { score: 11, invalid: expect.stringMatching(/^score: /) },
      },
      { metadata: { score: "eight", invalid: expect.stringMatching(/job_id: .*; score: /) } },
      { metadata: { invalid: expect.any(String) } },
      { metadata: { invalid: expect.any(String) } },
    ]);
    // A message is only made of fields that are right.
    expect(logs[0]?.message).toMatch(/^job_scored: job_id=a, backend=b/);
    expect(heard).toEqual([expect.stringMatching(/^INVALID_EVENT The event job_scored: score: /)]);
    expect(backend_stats.total).toMatchObject({ calls: 1, cost_usd: 0.5 });
  });

  it("takes a schema of any validator", async () => {
    const even = {
      "~standard": {
        version: 1,
        vendor: "own",
        validate: (value: unknown) =>
          (value as { n: number }).n % 2 === 0 ? { value } : { issues: [{ message: "odd", path: [{ key: "n" }] }] },
      },
    } as const;
    const { logs } = await seen({ events: { counted: { schema: even } } }, (run) => {
      run.logger.info("counted", { n: 2 });
      run.logger.info("counted", { n: 3 });
    });
    expect(logs.map(({ metadata }) => metadata)).toEqual([{ n: 2 }, { n: 3, invalid: "n: odd" }]);
  });

  it.each<[string, NonNullable<LivetailOptions["events"]>[string]]>([
    ["whose message throws", { message: () => JSON.parse("{") }],
    ["whose message is none", { message: () => undefined as never }],
    ["whose schema throws", { schema: { "~standard": { validate: () => JSON.parse("{") } } }],
    ["whose schema answers later", { schema: z.object({}).refine(async () => false) }],
    ["whose schema rejects", { schema: { "~standard": { validate: () => Promise.reject(new Error("no")) } } }],
    ["whose schema answers nothing", { schema: { "~standard": { validate: () => undefined } } }],
  ])("%s loses no line, and is told of once", async (name, rule) => {
    const { logs, heard } = await seen({ events: { x: rule } }, (run) => {
      run.logger.info("x", { a: 1 });
      run.log({ event: "x", a: 2 });
      run.logOutput('{"event":"x","a":3}');
    });
    expect(logs.map(({ message, metadata }) => [message, metadata])).toEqual(
      [1, 2, 3].map((a) => [a === 1 ? "x: job_id=job, a=1" : `x: a=${a}`, { a }]),
    );
    const once = ["RULE_FAILED The rule of the event x: it threw."];
    expect(heard).toEqual(name === "whose message is none" ? [] : once);
  });

  it("lets no value that throws reach whoever logs it", async () => {
    const hostile = [
      Object.defineProperty({ event: "job_scored" }, "score", { enumerable: true, get: () => JSON.parse("{") }),
      new Proxy({ event: "job_scored" }, { get: () => JSON.parse("{"), ownKeys: () => JSON.parse("{") }),
      Object.assign(new Error("boom"), { event: "job_scored" }),
    ];
    const { logs } = await seen({ events, parsers: [() => undefined] }, (run) => {
      for (const value of hostile) {
        run.log(value);
        run.logger.info("job_scored", value as never);
      }
    });
    expect(logs).toHaveLength(6);
    expect(logs[4]).toMatchObject({ level: "error", message: "boom" });
  });
});

describe("a parser", () => {
  const parser = (text: string): Record<string, unknown> | undefined => {
    const [kind, job_id, score, cost] = text.split("|");
    return kind === "EVT"
      ? { event: "job_scored", job_id, score: Number(score), backend: "b", cost_usd: Number(cost) }
      : undefined;
  };

  it("makes an event of a text, whose cost counts, with the message of the event's rule and the text beside it", async () => {
    const { logs, backend_stats } = await seen({ events, parsers: [parser] }, (run) => {
      run.log("EVT|a|8|0.25", { step: "grade" });
      run.logOutput("EVT|b|9|0.5", "stderr");
      run.log("plain words");
    });
    expect(logs).toMatchObject([
      {
        event: "job_scored",
        job_id: "a",
        message: "a: 8 of 10",
        cost_usd: 0.25,
        metadata: { score: 8, step: "grade", raw: "EVT|a|8|0.25" },
      },
      { job_id: "b", message: "b: 9 of 10", stream: "stderr", metadata: { raw: "EVT|b|9|0.5" } },
      { message: "plain words", metadata: {} },
    ]);
    expect(backend_stats.total).toMatchObject({ calls: 2, cost_usd: 0.75 });
  });

  it("may set layers and levels, and keeps the text as the message where nothing else is one", async () => {
    const layers = (text: string) => {
      const [, layer] = /^== (\w+)$/.exec(text) ?? [];
      return layer === undefined ? undefined : { event: "layer_start", layer, level: "debug" };
    };
    const { logs, layer_status } = await seen({ parsers: [layers] }, (run) => run.logOutput("== fetch", "stdout"));
    expect(logs).toMatchObject([{ event: "layer_start", level: "debug", message: "== fetch" }]);
    expect(logs[0]?.metadata).toEqual({});
    expect(layer_status).toMatchObject({ fetch: { status: "running" } });
  });

  it("runs once a line, whoever watches, and not on JSON", async () => {
    const asked: string[] = [];
    const livetail = createLivetail({
      store: memoryStore(),
      authorize: () => true,
      parsers: [(text) => void asked.push(text) as undefined],
    });
    opened.push(livetail);
    const run = livetail.createOperationRun("job", "once");
    for (const text of ["one", "two", '{"event":"x"}', "{ no JSON }"]) run.logOutput(text);
    await run.complete();
    for (let viewer = 0; viewer < 3; viewer++) await poll(livetail, run.id);
    expect(asked).toEqual(["one", "two", "{ no JSON }"]);
  });

  it("that throws or answers rubbish is passed over, and told of once", async () => {
    const parsers = [
      () => JSON.parse("{"),
      (text: string) => text as never,
      () => [1] as never,
      () => null,
      (text: string) => ({ event: "known", text }),
    ];
    const { logs, heard } = await seen({ parsers }, (run) => {
      run.log("a");
      run.logOutput("b");
    });
    expect(logs).toMatchObject([
      { event: "known", message: "a" },
      { event: "known", message: "b" },
    ]);
    expect(heard).toEqual(["RULE_FAILED The parser 0: it threw."]);
  });
});

it.each([
  { parsers: ["^EVT"] },
  { events: { x: null } },
  { events: { x: "text" } },
  { events: { x: { schema: { parse: () => {} } } } },
  { events: { x: { message: "text" } } },
])("says of %j that it is no option", (options) => {
  expect(() => createLivetail(options as never)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
});
