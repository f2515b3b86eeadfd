import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { fetchStatus, getBackendStats, LogPoller, type LogPollerOptions } from "../src/client/index.js";
import type { PollerEvents } from "../src/client/poll-state.js";
import { sseTransport } from "../src/client/sse.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import { type Gap, isTerminal, type LogEntry } from "../src/protocol.js";
import { memoryStore } from "../src/store/memory.js";

let livetail: Livetail;
let server: Server;
let endpointBase: string;
const pollers: LogPoller[] = [];
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

beforeEach(async () => {
  livetail = createLivetail({ store: memoryStore(), onError: () => {} });
  server = createServer(createNodeHandler(livetail, { mount: "/operations" })).listen(0, "127.0.0.1");
  await once(server, "listening");
  endpointBase = `http://127.0.0.1:${(server.address() as AddressInfo).port}/operations`;
});

afterEach(async () => {
  for (const poller of pollers.splice(0)) poller.stop();
  await livetail.close();
  await livetail.store.close();
  server.closeAllConnections();
  server.close();
});

function watch(runId: string, options: LogPollerOptions) {
  const poller = new LogPoller(runId, { endpointBase, pollInterval: 5, ...options });
  pollers.push(poller);
  const told: [name: string, value: unknown][] = [];
  for (const name of ["onLog", "onGap", "onReset", "onLayerStatus", "onError", "onComplete"] as const) {
    poller[name]((value: PollerEvents[typeof name]) => told.push([name, value]));
  }
  const of = (name: string) => told.filter(([one]) => one === name).map(([, value]) => value);
  return {
    poller: poller.start(),
    of,
    lines: () => of("onLog").map((entry) => (entry as LogEntry).message),
    indexes: () => of("onLog").map((entry) => (entry as LogEntry).index),
    until: (name: string, times = 1) =>
      vi.waitFor(() => expect(of(name).length).toBeGreaterThanOrEqual(times), { timeout: 8000, interval: 5 }),
  };
}

describe.each<[string, () => LogPollerOptions]>([
  ["a poll", () => ({ waitSeconds: 0 })],
  ["a held poll", () => ({})],
  ["a stream", () => ({ transport: sseTransport() })],
])("through the handler, by %s", (_, how) => {
  it("a run is seen live: lines, layers and the end", async () => {
    const run = livetail.createOperationRun("job-42", "generate-cv");
    const seen = watch(run.id, how());
    run.layer("fetch", "running");
    run.log("first");
    await seen.until("onLog");
    expect(seen.of("onComplete")).toEqual([]);
    run.log("second");
    run.layer("fetch", "success");
    await seen.until("onLog", 2);
    run.log("third");
    await run.complete();
    await seen.until("onComplete");
    expect(seen.lines()).toEqual(["first", "second", "third"]);
    expect(seen.of("onLayerStatus").at(-1)).toMatchObject({ fetch: { status: "success", order: 0 } });
    expect(seen.of("onComplete")).toMatchObject([{ status: "completed", error: null, expected_log_count: 3 }]);
    expect(seen.of("onError")).toEqual([]);
  });

  it("a failed run ends with its error", async () => {
    const run = livetail.createOperationRun("job-42", "generate-cv");
    const seen = watch(run.id, how());
    await run.fail(Object.assign(new Error("no such job"), { code: "NO_JOB" }));
    await seen.until("onComplete");
    expect(seen.of("onComplete")).toMatchObject([{ status: "failed", error: "no such job", error_code: "NO_JOB" }]);
  });

  it("a run that is not stored yet is waited for", async () => {
    const asked = once(server, "request");
    const seen = watch("op_late_abcdefghijklmnopqrstuvwx", how());
    await asked;
    const run = livetail.createOperationRun("job-42", "late", { id: "op_late_abcdefghijklmnopqrstuvwx" });
    run.log("here");
    await run.complete();
    await seen.until("onComplete");
    expect(seen.lines()).toEqual(["here"]);
    expect(seen.of("onError")).toEqual([]);
  });

  it("a viewer that comes after 5,000 lines with 1,000 kept is told the exact gap, and finishes", async () => {
    const run = livetail.createOperationRun("job-42", "chatty");
    for (let i = 0; i < 5000; i += 1) run.log(`line ${i}`);
    await run.complete();
    const seen = watch(run.id, how());
    await seen.until("onComplete");
    const [gap] = seen.of("onGap") as Gap[];
    expect(seen.of("onGap")).toHaveLength(1);
    expect(gap).toEqual({ from: 0, to: 3999, lost: 4000, reason: "trimmed" });
    expect(seen.indexes()).toEqual(upTo(1000).map((i) => i + 4000));
  });

  it("a viewer that has seen the end finishes again, with nothing new", async () => {
    const run = livetail.createOperationRun("job-42", "short");
    run.log("only");
    await run.complete();
    const first = watch(run.id, how());
    await first.until("onComplete");
    const again = watch(run.id, { ...how(), cursor: first.poller.cursor ?? "" });
    await again.until("onComplete");
    expect(again.of("onLog")).toEqual([]);
    expect(again.of("onComplete")).toMatchObject([{ status: "completed" }]);
  });

  it("a rubbish cursor is a reset, and everything comes", async () => {
    const run = livetail.createOperationRun("job-42", "short");
    run.log("only");
    await run.complete();
    const seen = watch(run.id, { ...how(), cursor: "rubbish" });
    await seen.until("onComplete");
    expect(seen.of("onReset")).toMatchObject([{ reason: "cursor", first_index: 0 }]);
    expect(seen.lines()).toEqual(["only"]);
  });

  it("viewers that the server sends away come back and miss nothing", async () => {
    const run = livetail.createOperationRun("job-42", "long");
    const seen = watch(run.id, how());
    run.log("before");
    await seen.until("onLog");
    livetail.handler.closeViewers();
    server.closeAllConnections();
    run.log("meanwhile");
    await seen.until("onLog", 2);
    await run.complete();
    await seen.until("onComplete");
    expect(seen.lines()).toEqual(["before", "meanwhile"]);
  });
});

describe("the status through the handler", () => {
  it("tells where a run stands, and its cost by backend", async () => {
    const run = livetail.createOperationRun("job-42", "costly");
    run.log({ event: "llm_call_complete", backend: "claude_cli", cost_usd: 0.05, duration_ms: 1500 });
    await run.complete();
    const status = await fetchStatus(run.id, { endpointBase });
    expect(isTerminal(status.status)).toBe(true);
    expect(await getBackendStats(run.id, { endpointBase })).toMatchObject({
      backends: { claude_cli: { calls: 1, cost_usd: 0.05 } },
      total: { calls: 1, errors: 0, cost_usd: 0.05 },
    });
    await expect(fetchStatus("op_none_abcdefghijklmnopqrstuvwx", { endpointBase })).rejects.toMatchObject({
      code: "RUN_NOT_FOUND",
      status: 404,
    });
  });
});
