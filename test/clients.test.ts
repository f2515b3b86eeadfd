/** Clients that are not ours: what they do with our streams is decided by standards, and by their makers. */
import { describe, expect, it, type onTestFinished, vi } from "vitest";
import { LIMITS } from "../src/protocol.js";
import { startCurl } from "./support/curl.js";
import { EVENT_SOURCES, type HeardEvent, type OpenSource } from "./support/event-sources.js";
import { createHandClock } from "./support/hand-clock.js";
import { lineTexts } from "./support/line-viewer.js";
import { startNginx } from "./support/nginx.js";
import {
  type RestartableOptions,
  type RestartableServer,
  startRestartableServer,
} from "./support/restartable-server.js";

type OnFinished = typeof onTestFinished;

// They come back after 2 s, several times, and share the machine with each other.
vi.setConfig({ testTimeout: 60_000 });

const PATIENCE = { timeout: 25_000, interval: 20 };

async function serve(onFinished: OnFinished, options: RestartableOptions = {}): Promise<RestartableServer> {
  const server = await startRestartableServer(options);
  onFinished(() => server.close());
  return server;
}

const messagesOf = (events: HeardEvent[]): unknown[] =>
  events.flatMap(({ name, data }) =>
    name === "log" ? [data.message] : name === "reset" || name === "gap" ? [`${name} ${data.reason}`] : [],
  );

describe.concurrent.each(EVENT_SOURCES)("%s", (_, open) => {
  const watch = async (onFinished: OnFinished, url: string) => {
    const source: OpenSource = await open(url);
    onFinished(() => source.close());
    const messages = async (): Promise<unknown[]> => messagesOf(await source.events());
    return {
      source,
      messages,
      /** Resolves when so many lines, gaps and resets were heard. */
      heard: (count: number) =>
        vi.waitFor(async () => expect((await messages()).length).toBeGreaterThanOrEqual(count), PATIENCE),
      /** Resolves when the end was heard. */
      ended: () => vi.waitFor(async () => expect((await source.events()).at(-1)?.name).toBe("end"), PATIENCE),
      /** Resolves to every `end` that was heard, when the source does not come back any more. */
      closed: async () => {
        await vi.waitFor(async () => expect(await source.closed()).toBe(true), PATIENCE);
        return (await source.events()).filter(({ name }) => name === "end");
      },
    };
  };

  it("gets history, live lines and the end, comes back once, and stops at the 204", async ({ onTestFinished }) => {
    const server = await serve(onTestFinished);
    const run = server.writing.createOperationRun("job", "whole");
    for (const line of lineTexts(700)) run.log(line);
    await run.flush();
    const { heard, closed, messages } = await watch(onTestFinished, `${server.base}/${run.id}/stream`);
    await heard(700);
    for (const [i, line] of lineTexts(705).entries()) {
      if (i < 700) continue;
      run.log(line);
      await heard(i + 1);
    }
    await run.complete();
    const ends = await closed();
    expect(ends).toMatchObject([{ data: { status: "completed", expected_log_count: 705 } }]);
    expect(await messages()).toEqual(lineTexts(705));
    expect(server.asked.map(({ lastEventId }) => lastEventId)).toEqual([undefined, ends[0]?.id]);
    expect(server.asked.map(({ response }) => response.statusCode)).toEqual([200, 204]);
  });

  it("comes back to a server that was restarted with the id of its last line, and has each line once", async ({
    onTestFinished,
  }) => {
    const server = await serve(onTestFinished);
    const run = server.writing.createOperationRun("job", "restarted");
    for (const line of lineTexts(10)) run.log(line);
    const { source, heard, ended, messages } = await watch(onTestFinished, `${server.base}/${run.id}/stream`);
    await heard(10);
    const last = (await source.events()).at(-1)?.id;
    await server.kill();
    for (const line of lineTexts(20).slice(10)) run.log(line);
    await run.flush();
    await vi.waitFor(async () => expect(await source.errors()).toBeGreaterThan(0), PATIENCE);
    await server.start();
    await heard(20);
    expect(server.asked[1]?.lastEventId).toBe(last);
    run.log("line 20");
    await run.complete();
    await ended();
    expect(await messages()).toEqual(lineTexts(21));
  });

  it("comes back when its stream has lasted 5 minutes, and has each line once", async ({ onTestFinished }) => {
    const clock = createHandClock();
    const server = await serve(onTestFinished, { clock });
    const run = server.writing.createOperationRun("job", "long");
    run.log("line 0");
    const { heard, ended, messages } = await watch(onTestFinished, `${server.base}/${run.id}/stream`);
    await heard(1);
    await clock.advance(LIMITS.streamMaxMs - 2000);
    expect(server.asked[0]?.response.writableEnded).toBe(false);
    await clock.advance(2000);
    expect(server.asked[0]?.response.writableEnded).toBe(true);
    run.log("line 1");
    await heard(2);
    expect(server.asked).toHaveLength(2);
    await run.complete();
    await ended();
    expect(await messages()).toEqual(lineTexts(2));
  });

  it("begins where it asked to when it was cut off before the first id", async ({ onTestFinished }) => {
    let cuts = 0;
    const server = await serve(onTestFinished, {
      front(_request, response, next) {
        if (cuts > 1) return next();
        cuts += 1;
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write("retry: 50\n\nid: abcdefghijkl.3\nevent: log\nda", () => response.destroy());
      },
    });
    const run = server.writing.createOperationRun("job", "cut");
    for (const line of lineTexts(5)) run.log(line);
    await run.complete();
    const { ended, messages } = await watch(onTestFinished, `${server.base}/${run.id}/stream?since=2`);
    await ended();
    expect(server.asked.slice(0, 3).map(({ lastEventId }) => lastEventId)).toEqual([undefined, undefined, undefined]);
    expect(await messages()).toEqual(lineTexts(5).slice(2));
  });

  it("is told to begin anew when the run it comes back to is another one by the same id", async ({
    onTestFinished,
  }) => {
    const server = await serve(onTestFinished);
    const before = server.writing.createOperationRun("job", "again");
    for (const line of lineTexts(3)) before.log(line);
    const { heard, ended, messages } = await watch(onTestFinished, `${server.base}/${before.id}/stream`);
    await heard(3);
    await server.forgetEverything();
    const run = server.writing.createOperationRun("job", "again", { id: before.id });
    for (const line of lineTexts(5)) run.log(line);
    await run.complete();
    await ended();
    expect(await messages()).toEqual([...lineTexts(3), "reset epoch", ...lineTexts(5)]);
  });

  it("is told to begin anew when it asks for what is beyond the last line", async ({ onTestFinished }) => {
    const server = await serve(onTestFinished);
    const run = server.writing.createOperationRun("job", "beyond");
    for (const line of lineTexts(3)) run.log(line);
    await run.complete();
    const { epoch } = await epochOf(server, run.id);
    const { ended, messages } = await watch(onTestFinished, `${server.base}/${run.id}/stream?cursor=${epoch}.99`);
    await ended();
    expect(await messages()).toEqual(["reset ahead", ...lineTexts(3)]);
  });

  it("gives up at the 502 of a proxy whose server is away, as its standard demands", async ({ onTestFinished }) => {
    const server = await serve(onTestFinished);
    const nginx = await startNginx(server.port);
    onTestFinished(() => nginx.stop());
    const run = server.writing.createOperationRun("job", "proxied");
    run.log("line 0");
    const base = `http://127.0.0.1:${nginx.port}/operations`;
    const { heard, closed, messages } = await watch(onTestFinished, `${base}/${run.id}/stream`);
    await heard(1);
    await server.kill();
    expect(await closed()).toEqual([]);
    expect(await messages()).toEqual(["line 0"]);
  });
});

async function epochOf(server: RestartableServer, runId: string) {
  const answer = (await (await fetch(`${server.base}/${runId}`)).json()) as { cursor: string };
  return { cursor: answer.cursor, epoch: answer.cursor.split(".")[0] ?? "" };
}

describe.concurrent("curl -N", () => {
  const start = (onFinished: OnFinished, ...args: string[]) => {
    const curl = startCurl(...args);
    onFinished(() => curl.stop());
    return curl;
  };

  it("prints each line before the next one is logged, and ends with the run", async ({ onTestFinished }) => {
    const server = await serve(onTestFinished);
    const run = server.writing.createOperationRun("job", "curl");
    const curl = start(onTestFinished, `${server.base}/${run.id}/stream`);
    for (const line of lineTexts(10)) {
      run.log(line);
      await vi.waitFor(() => expect(curl.printed).toContain(`"${line}"`), PATIENCE);
    }
    await run.complete();
    expect(await curl.exited).toBe(0);
    expect(curl.printed).toMatch(/\nid: [a-z0-9]{12}\.10\.\d+\nevent: end\ndata: \{"status":"completed".*\}\n\n$/);
    expect(curl.printed.match(/^event: (hello|end)$/gm)).toEqual(["event: hello", "event: end"]);
    expect(curl.printed.match(/"line \d"/g)).toEqual(lineTexts(10).map((line) => `"${line}"`));
  });

  it.for<[string, (epoch: string) => string, string]>([
    ["rubbish", () => "no cursor at all", "cursor"],
    ["an id of another epoch", () => "zzzzzzzzzzzz.2", "epoch"],
    ["an id beyond the last line", (epoch: string) => `${epoch}.99`, "ahead"],
  ])("is told to begin anew when its Last-Event-ID is %s", async ([, idOf, reason], { onTestFinished }) => {
    const server = await serve(onTestFinished);
    const run = server.writing.createOperationRun("job", "curl");
    for (const line of lineTexts(3)) run.log(line);
    await run.complete();
    const { epoch } = await epochOf(server, run.id);
    const curl = start(onTestFinished, "-H", `Last-Event-ID: ${idOf(epoch)}`, `${server.base}/${run.id}/stream`);
    expect(await curl.exited).toBe(0);
    expect(curl.printed).toContain(`event: reset\ndata: {"reason":"${reason}","first_index":0}\n`);
    expect(curl.printed.indexOf("event: reset")).toBeLessThan(curl.printed.indexOf("event: log"));
    expect(curl.printed.match(/"line \d"/g)).toEqual(lineTexts(3).map((line) => `"${line}"`));
  });

  it("is sent away with a 204 when it comes with the id of the end", async ({ onTestFinished }) => {
    const server = await serve(onTestFinished);
    const run = server.writing.createOperationRun("job", "curl");
    run.log("line 0");
    await run.complete();
    const { cursor } = await epochOf(server, run.id);
    const curl = start(
      onTestFinished,
      "-w",
      "%{http_code}",
      "-H",
      `Last-Event-ID: ${cursor}`,
      `${server.base}/${run.id}/stream`,
    );
    expect(await curl.exited).toBe(0);
    expect(curl.printed).toBe("204");
  });
});
