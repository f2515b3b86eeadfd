/** The guide for services in other languages: its commands and its program as they stand there, on a real Redis. */
import { afterAll, describe, expect, it } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { type Completion, LogPoller, type LogPollerOptions } from "../src/client/index.js";
import { sseTransport } from "../src/client/sse.js";
import { createLivetail } from "../src/livetail.js";
import type { BackendStats, LayerMap, LogEntry } from "../src/protocol.js";
import { startProgram } from "./support/cli.js";
import { blocksOf } from "./support/documents.js";
import { request } from "./support/plain-request.js";
import { requireProgram } from "./support/program.js";
import { startRedis } from "./support/redis.js";
import { openResp } from "./support/resp.js";
import { served } from "./support/served.js";
import { until, within } from "./support/until.js";

const GUIDE = "docs/other-languages.md";
const commands = blocksOf("redis").map(({ text }) => text.trimEnd().split("\n"));
const [begin = [], end = [], find = [], push = [], totals = []] = commands;

const redis = await startRedis({ own: true });
const socket = await openResp(redis.port);
const livetail = createLivetail({ redis: redis.url, authorize: () => true });
const server = await served(createNodeHandler(livetail, { mount: "/operations" }));
const endpointBase = `${server.url}/operations`;

afterAll(async () => {
  livetail.handler.closeViewers();
  await server.close();
  await livetail.close();
  socket.close();
  await redis.stop();
});

/** Sends commands of the guide, in the place of whose names stand the ids of runs. */
async function send(lines: readonly string[], id: string): Promise<void> {
  for (const line of lines) {
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, bare = ""]) => quoted ?? bare);
    await socket.send(...words.map((word) => word.replace(/\b(?:RUN|OURS)\b/, id)));
  }
}

/** What a viewer of a run was told so far. */
interface Seen {
  lines: LogEntry[];
  layers: LayerMap;
  stats: BackendStats | null;
  /** Gaps, resets and errors. */
  faults: unknown[];
  finished: Promise<Completion>;
}

function watch(runId: string, options: LogPollerOptions = {}): Seen {
  const poller = new LogPoller(runId, { endpointBase, pollInterval: 20, ...options });
  const finished = new Promise<Completion>((resolve) => poller.onComplete(resolve));
  const seen: Seen = { lines: [], layers: {}, stats: null, faults: [], finished };
  poller.onLog((entry) => seen.lines.push(entry));
  poller.onLayerStatus((layers) => Object.assign(seen, { layers }));
  poller.onBackendStats((stats) => Object.assign(seen, { stats }));
  for (const on of [poller.onGap, poller.onReset, poller.onError]) on((fault: unknown) => seen.faults.push(fault));
  poller.start();
  return seen;
}

const read = async (path: string) => (await fetch(`${endpointBase}${path}`)).json();

describe("the commands of the guide for other languages", () => {
  it("are all sent here", () => {
    expect(new Set(blocksOf("redis").map(({ document }) => document))).toEqual(new Set([GUIDE]));
    expect(commands).toHaveLength(5);
  });

  it("make a run that is seen live with its lines, layers and cost, to its end, and then found", async () => {
    const id = "op_import_0123456789abcdefghijklmn";
    await send(begin, id);
    const seen = watch(id);
    await until(() => seen.lines.length === 2, "the lines");
    expect(seen.lines).toMatchObject([{ event: "fetch_start", message: "page 1" }, { message: "a line of text" }]);
    expect(seen.layers).toEqual({ fetch: { status: "running", order: 0, current: 1, total: 9 } });
    expect(seen.stats?.total).toEqual({ calls: 1, errors: 0, cost_usd: 0.002, unpriced_calls: 0 });
    expect(await read(`/${id}/status`)).toMatchObject({
      status: "running",
      operation: "import",
      subject_id: "job-42",
      started_at: "2026-01-14T10:00:00.000Z",
    });
    await send(end, id);
    expect(await seen.finished).toMatchObject({ status: "completed", expected_log_count: 2 });
    expect(seen.faults).toEqual([]);
    expect(await read(`/${id}/result`)).toEqual({ jobs: 12 });
    for (const key of ["meta", "buffer", "layers", "producers", "result"]) {
      expect(await socket.send("TTL", `logs:${id}:${key}`), key).toBeGreaterThan(21_500);
      expect(await socket.send("TTL", `logs:${id}:${key}`), key).toBeLessThanOrEqual(21_600);
    }
    await send(find, id);
    const row = { run_id: id, status: "completed", cost: { calls: 1, cost_usd: 0.002 } };
    expect(await read("/?subject_id=job-42")).toMatchObject({ runs: [row] });
    expect(await read("/?operation=import")).toMatchObject({ runs: [row] });
  });

  it("make runs that may be read without authorize if their ids have the form that cannot be guessed", async () => {
    const open = createLivetail({ redis: redis.url });
    const ids = ["op_import_abcdefghijklmnopqrstuvwx", "import-42"];
    for (const id of ids) await send(begin, id);
    const answers = await Promise.all(ids.map((id) => open.handler.handle(request(`/${id}`))));
    expect(answers.map(({ status }) => status)).toEqual([200, 403]);
    await open.close();
  });

  it("write into a run of ours: lines between ours, and cost", async () => {
    const run = livetail.createOperationRun("job-7", "score");
    const seen = watch(run.id);
    run.logger.info("job_scored", { backend: "openrouter", cost_usd: 0.002 });
    await run.flush();
    await send(push, run.id);
    await until(() => seen.lines.length === 2, "the line that was pushed");
    await send(totals, run.id);
    await until(() => seen.stats?.total.calls === 2, "its cost");
    expect(seen.stats?.total.cost_usd).toBe(0.052);
    run.log("behind it");
    await run.complete();
    expect(await seen.finished).toMatchObject({ status: "completed", expected_log_count: 3 });
    expect(seen.lines.map(({ index, event, message }) => [index, event ?? message])).toEqual([
      [0, "job_scored"],
      [1, "job_scored"],
      [2, "behind it"],
    ]);
    expect(seen.faults).toEqual([]);
    await send(push, run.id);
    const late = watch(run.id);
    expect(await late.finished).toMatchObject({ status: "completed", expected_log_count: 3, late_lines: 0 });
  });

  it("set a flag when such a run is cancelled, which its writer reads", async () => {
    await send(begin, "op_import_cancelled0123456789abcdef");
    const answer = await fetch(`${endpointBase}/op_import_cancelled0123456789abcdef/cancel`, { method: "POST" });
    expect(answer.status).toBe(202);
    const flag = await socket.send(
      "HMGET",
      "logs:op_import_cancelled0123456789abcdef:meta",
      "cancel_requested",
      "status",
    );
    expect(flag).toEqual(["1", "running"]);
  });
});

describe("the program of the guide for other languages", () => {
  const [block, ...others] = blocksOf("python");

  it("is one, and short", () => {
    expect(others).toEqual([]);
    expect(block?.document).toBe(GUIDE);
    expect(block?.text.split("\n").filter((line) => line.trim() !== "").length).toBeLessThanOrEqual(45);
  });

  it.each([
    ["polls", (): LogPollerOptions => ({})],
    ["a stream", (): LogPollerOptions => ({ transport: sseTransport() })],
  ])("is seen by %s to its end, with lines, layers and cost", async (_, how) => {
    const python = requireProgram(["python3"], "python3");
    const program = startProgram([python, "-c", block?.text ?? ""], { REDIS_PORT: String(redis.port) });
    await program.printed("stdout", "\n");
    const id = program.stdout.trim();
    const seen = watch(id, how());
    const done = await within(seen.finished, "the end");
    expect(await program.ended).toBe(0);
    expect(program.stderr).toBe("");
    expect(done).toMatchObject({
      status: "completed",
      expected_log_count: 5,
      layer_status: { score: { status: "success" } },
      backend_stats: { backends: { openrouter: { calls: 3, cost_usd: 0.006 } }, total: { calls: 3, cost_usd: 0.006 } },
    });
    expect(seen.lines.map(({ message }) => message)).toEqual([
      "score: start",
      ...["job 0: 8 of 10", "job 1: 8 of 10", "job 2: 8 of 10"],
      "score: complete",
    ]);
    expect(seen.lines[1]).toMatchObject({ event: "job_scored", backend: "openrouter", cost_usd: 0.002 });
    expect(seen.faults).toEqual([]);
    const ttl = (await socket.send("TTL", `logs:${id}:buffer`)) as number;
    expect(ttl).toBeGreaterThan(21_500);
    expect(ttl).toBeLessThanOrEqual(21_600);
  });
});
