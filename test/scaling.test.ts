/** The guide to scaling: its runner twice, behind its nginx, on one Redis. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LogPollerOptions } from "../src/client/index.js";
import { sseTransport } from "../src/client/sse.js";
import type { StatusAnswer } from "../src/protocol.js";
import { ensureBuilt } from "./support/built.js";
import { type CliProcess, startProgram } from "./support/cli.js";
import { blocksOf } from "./support/documents.js";
import { startLineViewer } from "./support/line-viewer.js";
import { type Nginx, startNginx } from "./support/nginx.js";
import { makeProgramFolder } from "./support/program-folder.js";
import { freePort, startRedis } from "./support/redis.js";
import { until, within } from "./support/until.js";

const GUIDE = "docs/scaling.md";
const PAGES = Array.from({ length: 40 }, (_, i) => `page ${i + 1} of indeed`);

const redis = await startRedis({ own: true });
const folder = makeProgramFolder(["express"]);
const runners = new Map<string, CliProcess>();
let nginx: Nginx;
let front: string;

beforeAll(async () => {
  await ensureBuilt();
  const file = folder.write("runner.mts", blocksOf("ts", GUIDE)[0]?.text ?? "");
  const ports = [await freePort(), await freePort()];
  for (const port of ports) {
    const env = { PORT: String(port), REDIS_URL: redis.url };
    runners.set(`http://127.0.0.1:${port}`, startProgram([process.execPath, "--import", "tsx", file], env));
  }
  const [config, ...others] = blocksOf("nginx");
  expect([config?.document, others]).toEqual([GUIDE, []]);
  nginx = await startNginx((port) =>
    (config?.text ?? "")
      .replace("8080", String(port))
      .replace("3001", String(ports[0]))
      .replace("3002", String(ports[1])),
  );
  front = `http://127.0.0.1:${nginx.port}`;
  for (const url of runners.keys()) await until(() => fetch(url).then(Boolean, () => false), "a runner");
}, 120_000);

afterAll(async () => {
  for (const { child } of runners.values()) child.kill("SIGKILL");
  await nginx.stop();
  await redis.stop();
  folder.remove();
});

/** Begins an import at whatever runner the balancer takes. */
async function begin(query = ""): Promise<string> {
  const answer = await fetch(`${front}/boards/indeed/import${query}`, { method: "POST" });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { run_id: string }).run_id;
}

/** The status of a run when it is as wanted, asked of the balancer. */
async function statusWhen(runId: string, right: (status: StatusAnswer) => boolean): Promise<StatusAnswer> {
  let status: StatusAnswer | undefined;
  await until(async () => {
    const answer = await fetch(`${front}/operations/${runId}/status`);
    if (!answer.ok) return false;
    status = (await answer.json()) as StatusAnswer;
    return right(status);
  }, "the status");
  return status as StatusAnswer;
}

const view = (runId: string, options: LogPollerOptions = {}) =>
  startLineViewer(runId, { endpointBase: `${front}/operations`, ...options });

describe("two runners behind a balancer", () => {
  it("show a run of either to viewers of both, by polls and by a stream", async () => {
    const ids = [await begin(), await begin()];
    const owners = await Promise.all(ids.map((id) => statusWhen(id, ({ owner }) => owner.state === "live")));
    expect(new Set(owners.map(({ owner }) => owner.url))).toEqual(new Set(runners.keys()));
    for (const id of ids) {
      for (const options of [{ waitSeconds: 0 }, { transport: sseTransport() }]) {
        const viewer = view(id, options);
        expect(await within(viewer.finished, "the end")).toMatchObject({ status: "completed" });
        expect([viewer.messages, viewer.errors]).toEqual([PAGES, []]);
      }
    }
  });

  it("cancel a run of the other", async () => {
    const id = await begin();
    const { owner } = await statusWhen(id, (status) => status.owner.state === "live");
    const other = [...runners.keys()].find((url) => url !== owner.url);
    expect((await fetch(`${other}/operations/${id}/cancel`, { method: "POST" })).status).toBe(202);
    expect(await statusWhen(id, (status) => status.expected_log_count !== null)).toMatchObject({ status: "cancelled" });
  });

  it("give a run back when its runner is deployed anew, and its viewers go on with the one that adopts it", async () => {
    const id = await begin();
    const { owner } = await statusWhen(id, (status) => status.owner.state === "live");
    const viewers = [view(id), view(id, { transport: sseTransport() })];
    await until(() => viewers.every(({ messages }) => messages.length > 0), "the first lines");
    const runner = runners.get(owner.url ?? "");
    runner?.child.kill("SIGTERM");
    expect(await runner?.ended).toBe(0);
    const given = await statusWhen(id, (status) => status.status === "queued");
    expect(given).toMatchObject({ owner: { id: null, state: "none" }, expected_log_count: null });
    expect(given.total_count).toBeLessThan(PAGES.length);
    expect(await begin(`?run=${id}`)).toBe(id);
    for (const viewer of viewers) {
      expect(await within(viewer.finished, "the end")).toMatchObject({ status: "completed", owner: { attempt: 2 } });
      expect(viewer.messages).toEqual([...PAGES.slice(0, given.total_count), ...PAGES]);
    }
  });
});
