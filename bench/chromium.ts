/**
 * A Chromium whose pages nobody watches at work. What drives browsers for tests listens to every request: that makes a
 * page keep and decode all that it ever received, and tell of each event of an EventSource.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { CHROMIUM_FLAGS, findChromium } from "../test/support/browser.js";
import { guardOf } from "../test/support/guard.js";

/** One page, in a process of its own. */
export interface BarePage {
  /** The value of an expression, awaited. Rejects with what it throws. */
  evaluate(expression: string): Promise<unknown>;
  /** Bytes of its heap, garbage collected. */
  heldBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface BareChromium {
  /** Opens a page; resolves when it has loaded. */
  open(url: string): Promise<BarePage>;
  /** CPU time of all of its processes, in microseconds. */
  cpuMicros(): Promise<number>;
  /** Begins to trace tasks; the returned function ends that and resolves to the events. */
  trace(): Promise<() => Promise<TraceEvent[]>>;
  close(): Promise<void>;
}

/** As Chromium writes it; times in microseconds. */
export interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  dur?: number;
  tdur?: number;
  args?: { name?: string };
}

/** What is answered to a command of the DevTools protocol, or told of by it. */
interface Message {
  id?: number;
  sessionId?: string;
  method?: string;
  result?: unknown;
  error?: { message: string };
  params?: unknown;
}

type Send = <Answer>(method: string, params?: object, sessionId?: string) => Promise<Answer>;

/** Starts the Chromium of the tests. */
export async function startBareChromium(): Promise<BareChromium> {
  const folder = await mkdtemp(join(tmpdir(), "livetail-chromium-"));
  const flags = [...CHROMIUM_FLAGS, "--headless", "--remote-debugging-pipe", `--user-data-dir=${folder}`];
  const child = spawn(findChromium(), [...flags, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const guard = guardOf(child, folder);
  const { send, listen } = speak(child);
  return {
    async open(url) {
      const { browserContextId } = await send<{ browserContextId: string }>("Target.createBrowserContext");
      const target = { url: "about:blank", browserContextId };
      const { targetId } = await send<{ targetId: string }>("Target.createTarget", target);
      const attach = { targetId, flatten: true };
      const { sessionId } = await send<{ sessionId: string }>("Target.attachToTarget", attach);
      const page = openedPage(send, sessionId, browserContextId);
      await send("Page.enable", {}, sessionId);
      const loaded = new Promise<void>((resolve) => {
        const stop = listen("Page.loadEventFired", (_params, from) => {
          if (from !== sessionId) return;
          stop();
          resolve();
        });
      });
      await send("Page.navigate", { url }, sessionId);
      await loaded;
      return page;
    },
    async cpuMicros() {
      const { processInfo } = await send<{ processInfo: { cpuTime: number }[] }>("SystemInfo.getProcessInfo");
      return processInfo.reduce((total, { cpuTime }) => total + cpuTime, 0) * 1e6;
    },
    async trace() {
      const events: TraceEvent[] = [];
      const stop = listen("Tracing.dataCollected", (params) => {
        for (const event of (params as { value: TraceEvent[] }).value) events.push(event);
      });
      await send("Tracing.start", { traceConfig: { includedCategories: ["toplevel", "__metadata"] } });
      return async () => {
        const complete = new Promise<void>((resolve) => {
          const stopWaiting = listen("Tracing.tracingComplete", () => {
            stopWaiting();
            resolve();
          });
        });
        await send("Tracing.end");
        await complete;
        stop();
        return events;
      };
    },
    async close() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      guard.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function openedPage(send: Send, sessionId: string, browserContextId: string): BarePage {
  return {
    async evaluate(expression) {
      const ask = { expression, awaitPromise: true, returnByValue: true };
      const answer = await send<{
        result: { value?: unknown };
        exceptionDetails?: { text: string; exception?: { description?: string } };
      }>("Runtime.evaluate", ask, sessionId);
      const { exceptionDetails } = answer;
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return answer.result.value;
    },
    async heldBytes() {
      await send("HeapProfiler.collectGarbage", {}, sessionId);
      return (await send<{ usedSize: number }>("Runtime.getHeapUsage", {}, sessionId)).usedSize;
    },
    async close() {
      await send("Target.disposeBrowserContext", { browserContextId });
    },
  };
}

/** The DevTools protocol on two pipes: JSON, ended by a NUL. */
function speak(child: ChildProcess): {
  send: Send;
  listen(method: string, listener: (params: unknown, sessionId?: string) => void): () => void;
} {
  const [, , , output, input] = child.stdio as [null, null, null, Writable, Readable];
  const waiting = new Map<number, { resolve(result: never): void; reject(error: Error): void }>();
  const listeners = new Map<string, Set<(params: unknown, sessionId?: string) => void>>();
  let sent = 0;
  let received: Buffer[] = [];

  const take = (text: string): void => {
    const { id, sessionId, method, result, error, params } = JSON.parse(text) as Message;
    if (method !== undefined) for (const listener of [...(listeners.get(method) ?? [])]) listener(params, sessionId);
    if (id === undefined) return;
    if (error) waiting.get(id)?.reject(new Error(error.message));
    else waiting.get(id)?.resolve(result as never);
    waiting.delete(id);
  };
  input.on("data", (chunk: Buffer) => {
    let rest = chunk;
    for (let end = rest.indexOf(0); end !== -1; end = rest.indexOf(0)) {
      take(Buffer.concat([...received, rest.subarray(0, end)]).toString());
      received = [];
      rest = rest.subarray(end + 1);
    }
    received.push(rest);
  });
  child.once("exit", () => {
    for (const { reject } of waiting.values()) reject(new Error("The browser ended."));
  });
  // It says nothing more when it is killed.
  output.on("error", () => {});

  return {
    send: (method, params = {}, sessionId) =>
      new Promise((resolve, reject) => {
        sent += 1;
        waiting.set(sent, { resolve, reject });
        output.write(`${JSON.stringify({ id: sent, method, params, sessionId })}\0`);
      }),
    listen(method, listener) {
      const set = listeners.get(method) ?? new Set();
      listeners.set(method, set.add(listener));
      return () => set.delete(listener);
    },
  };
}
