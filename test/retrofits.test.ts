import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue } from "bullmq";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { PollAnswer } from "../src/protocol.js";
import { ensureBuilt } from "./support/built.js";
import { type CliProcess, startProgram } from "./support/cli.js";
import { blocksOf, ROOT } from "./support/documents.js";
import { freePort, startRedis } from "./support/redis.js";
import { until } from "./support/until.js";

const diffs = blocksOf("diff")
  // Parts of files are those of the example, which retrofit-diff.test.ts takes.
  .filter(({ text }) => !text.startsWith("--- a/"))
  .map(({ text }) => text.trimEnd().split("\n"));
const names = ["express", "fastify", "bullmq", "script"] as const;

const redis = await startRedis();
let folder: string;
/** Another process that shows what is in Redis; here it is this one. */
let viewer: Livetail;
let server: Server;
let viewerUrl: string;
const started: CliProcess[] = [];

/** A program as it is with the lines that begin so, and those that both have. */
function sideOf(diff: readonly string[], sign: "+" | "-"): string {
  const lines = diff.filter((line) => line.startsWith(" ") || line.startsWith(sign));
  return lines.map((line) => `${line.slice(1)}\n`).join("");
}

beforeAll(async () => {
  await ensureBuilt();
  folder = mkdtempSync(join(tmpdir(), "livetail-retrofit-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/livetail"));
  for (const name of ["express", "fastify", "pino", "bullmq"]) {
    symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  }
  names.forEach((name, i) => {
    writeFileSync(join(folder, `${name}.mjs`), sideOf(diffs[i] ?? [], "+"));
    writeFileSync(join(folder, `${name}-before.mjs`), sideOf(diffs[i] ?? [], "-"));
  });
  viewer = createLivetail({ redis: redis.url, authorize: () => true });
  server = createServer(createNodeHandler(viewer, { mount: "/operations" })).listen(0, "127.0.0.1");
  await once(server, "listening");
  viewerUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/operations`;
}, 120_000);

afterEach(() => {
  for (const { child } of started.splice(0)) child.kill();
});

afterAll(async () => {
  server.close();
  await viewer.close();
  await redis.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the retrofitted program of this name, with a free port and a Redis or none. */
async function start(name: (typeof names)[number], redisUrl: string): Promise<{ program: CliProcess; url: string }> {
  const port = await freePort();
  const env = { PORT: String(port), REDIS_URL: redisUrl };
  const program = startProgram([process.execPath, "--no-warnings", join(folder, `${name}.mjs`)], env);
  started.push(program);
  return { program, url: `http://127.0.0.1:${port}` };
}

/** Asks a service to begin, once it listens, and resolves to its run when that has ended. */
async function operate(url: string, path: string): Promise<PollAnswer> {
  const begun: unknown[] = [];
  await until(async () => {
    const answer = await fetch(`${url}${path}`, { method: "POST" }).catch(() => null);
    if (answer !== null) begun.push(answer.status, await answer.json());
    return answer !== null;
  }, "the service");
  expect(begun).toEqual([202, { run_id: expect.any(String) }]);
  const { run_id } = begun[1] as { run_id: string };
  const [run] = await ended([`${url}/operations/${run_id}`]);
  return run as PollAnswer;
}

async function read(url: string): Promise<unknown> {
  return (await fetch(url)).json();
}

/** The runs at these URLs, when they have ended. */
async function ended(urls: readonly string[]): Promise<PollAnswer[]> {
  let answers: PollAnswer[] = [];
  await until(async () => {
    answers = (await Promise.all(urls.map(read))) as PollAnswer[];
    return answers.every(({ expected_log_count }) => expected_log_count !== null);
  }, "the end");
  return answers;
}

/** The ended runs of a subject in Redis, when there are as many. */
async function runsOf(subject: string, count: number): Promise<PollAnswer[]> {
  let ids: string[] = [];
  await until(async () => {
    const { runs } = (await read(`${viewerUrl}?subject_id=${subject}`)) as { runs: { run_id: string }[] };
    ids = runs.map(({ run_id }) => run_id);
    return ids.length === count;
  }, "the runs");
  return ended(ids.map((id) => `${viewerUrl}/${id}`));
}

describe("the README's retrofit", () => {
  it("is one of an Express route, a Fastify route, a BullMQ worker and a script", () => {
    expect(diffs).toHaveLength(names.length);
  });

  it.each(names)("of %s takes at most twelve lines, to a program that was whole before", (name) => {
    const diff = diffs[names.indexOf(name)] ?? [];
    const changed = diff.filter((line) => /^[+-]/.test(line));
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.length).toBeLessThanOrEqual(12);
    expect(diff.every((line) => /^[ +-]/.test(line))).toBe(true);
    expect(sideOf(diff, "-")).not.toContain("livetail");
    execFileSync(process.execPath, ["--check", join(folder, `${name}-before.mjs`)]);
  });

  it("of Express shows what the route prints, and its result", async () => {
    const { program, url } = await start("express", "");
    const answer = await operate(url, "/boards/indeed/import");
    expect(answer).toMatchObject({ status: "completed", operation: "import", subject_id: "indeed" });
    expect(answer.logs).toMatchObject([
      { level: "info", message: "reading indeed" },
      { level: "warn", message: "page 3 is empty" },
    ]);
    const result = await fetch(`${url}/operations/${answer.run_id}/result`);
    expect(await result.json()).toEqual({ jobs: 12 });
    expect(program.stdout).toBe("reading indeed\n");
  });

  it("of Fastify shows what the request's logger writes, with its cost, which stands on stdout, too", async () => {
    const { program, url } = await start("fastify", "");
    const answer = await operate(url, "/jobs/job-7/score");
    expect(answer).toMatchObject({ status: "completed", operation: "score", subject_id: "job-7" });
    expect(answer.logs).toMatchObject([{ event: "job_scored", job_id: "job-7", message: "scored", cost_usd: 0.002 }]);
    expect(answer.backend_stats.total).toMatchObject({ calls: 1, cost_usd: 0.002 });
    await program.printed("stdout", '"msg":"scored"');
  });

  it("of BullMQ shows each attempt of a job as a run", async () => {
    const queue = new Queue("cvs", { connection: { url: redis.url } });
    const { program } = await start("bullmq", redis.url);
    const good = await queue.add("generate-cv", { name: "Ada" });
    const bad = await queue.add("generate-cv", { name: "" }, { attempts: 2 });
    const [done] = await runsOf(good.id ?? "", 1);
    expect(done).toMatchObject({
      status: "completed",
      operation: "generate-cv",
      logs: [{ message: "writing the CV of Ada" }],
    });
    const attempts = await runsOf(bad.id ?? "", 2);
    for (const attempt of attempts) expect(attempt).toMatchObject({ status: "failed", error: "nobody to write about" });
    await until(
      async () => (await good.getState()) === "completed" && (await bad.getState()) === "failed",
      "the queue",
    );
    expect(program.stdout).toContain("writing the CV of Ada\n");
    await queue.close();
  });

  it("of a script shows what it prints, and lets it end by itself", async () => {
    const { program } = await start("script", redis.url);
    expect(await program.ended).toBe(0);
    const [run] = await runsOf("disk-1", 1);
    expect(run).toMatchObject({ status: "completed", operation: "clean-up" });
    expect(run?.logs).toMatchObject([
      { level: "info", message: "looking for old files" },
      { level: "error", error: "Error: no right to delete a.txt", traceback: expect.stringContaining("at main") },
    ]);
    expect(program.stdout).toBe("looking for old files\n");
  });
});
