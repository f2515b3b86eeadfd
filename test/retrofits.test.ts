import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Queue, Worker } from "bullmq";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { PollAnswer } from "../src/protocol.js";
import { ensureBuilt } from "./support/built.js";
import { type CliProcess, startProgram } from "./support/cli.js";
import { blocksOf } from "./support/documents.js";
import { makeProgramFolder, type ProgramFolder } from "./support/program-folder.js";
import { freePort, startRedis } from "./support/redis.js";
import { until } from "./support/until.js";

/** The programs of the guides, each as the difference between what it was and what it is, in their order. */
const NAMES = {
  "docs/from-bullmq.md": ["bullmq", "queue-web", "queue-worker"],
  "docs/from-sse.md": ["sse", "sse-viewer"],
  "docs/retrofit-in-five-steps.md": ["express", "fastify", "script"],
} as const;
type Name = (typeof NAMES)[keyof typeof NAMES][number];
const diffs = Object.entries(NAMES).flatMap(([document, names]) =>
  names.map((name, i) => ({
    name: name as Name,
    lines: blocksOf("diff", document)[i]?.text.trimEnd().split("\n") ?? [],
  })),
);
/** Those that are to be small. */
const SHORT: readonly Name[] = ["bullmq", "express", "fastify", "script"];

const redis = await startRedis();
let folder: ProgramFolder;
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
  folder = makeProgramFolder(["express", "fastify", "pino", "bullmq", "eventsource"]);
  for (const { name, lines } of diffs) {
    folder.write(`${name}.mjs`, sideOf(lines, "+"));
    folder.write(`${name}-before.mjs`, sideOf(lines, "-"));
  }
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
  folder.remove();
});

/** Starts the program of this name, with a free port and a Redis or none. */
async function start(
  name: Name | `${Name}-before`,
  redisUrl: string,
  more: Record<string, string> = {},
): Promise<{ program: CliProcess; url: string }> {
  const port = await freePort();
  const env = { PORT: String(port), REDIS_URL: redisUrl, ...more };
  const program = startProgram([process.execPath, "--no-warnings", folder.path(`${name}.mjs`)], env);
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
    // A run that was just begun may not be in the store yet: a 404 has no such field.
    return answers.every(({ expected_log_count }) => typeof expected_log_count === "number");
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

describe("the retrofit of the guides", () => {
  it("is all tried here", () => {
    const named = Object.entries(NAMES).flatMap(([document, names]) => names.map(() => document));
    // The README's is of the example, which retrofit-diff.test.ts takes.
    const guides = blocksOf("diff").filter(({ document }) => document !== "README.md");
    expect(guides.map(({ document }) => document)).toEqual(named);
  });

  it.each(diffs)("of $name begins with a program that was whole before", ({ name, lines }) => {
    const changed = lines.filter((line) => /^[+-]/.test(line));
    expect(changed.length).toBeGreaterThan(0);
    if (SHORT.includes(name)) expect(changed.length, "twelve lines").toBeLessThanOrEqual(12);
    expect(lines.every((line) => /^[ +-]/.test(line))).toBe(true);
    expect(sideOf(lines, "-")).not.toContain("livetail");
    execFileSync(process.execPath, ["--check", folder.path(`${name}-before.mjs`)]);
  });

  it("of Express shows what the route prints, and its result", async () => {
    const { program, url } = await start("express", redis.url);
    const answer = await operate(url, "/boards/indeed/import");
    expect(answer).toMatchObject({ status: "completed", operation: "import", subject_id: "indeed" });
    expect(answer.logs).toMatchObject([
      { level: "info", message: "reading indeed" },
      { level: "warn", message: "page 3 is empty" },
    ]);
    expect(await redis.cli("LLEN", `logs:${answer.run_id}:buffer`)).toBe("2");
    expect(Number(await redis.cli("TTL", `logs:${answer.run_id}:buffer`))).toBeLessThanOrEqual(21_600);
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

  it("of BullMQ's log shows all attempts of a job as one run, whose id is the job's", async () => {
    const queue = new Queue("letters", { connection: { url: redis.url } });
    const { url } = await start("queue-web", redis.url);
    const { program } = await start("queue-worker", redis.url);
    const [good, bad] = await Promise.all([operate(url, "/letters/Ada"), operate(url, "/letters/nobody")]);
    expect(good).toMatchObject({
      status: "completed",
      subject_id: "Ada",
      owner: { attempt: 2 },
      layer_status: { write: { current: 1, total: 2 } },
      reset: null,
    });
    const tried = [
      { message: "writing to Ada" },
      { error: "Error: the model was busy", traceback: expect.any(String) },
    ];
    expect(good.logs).toMatchObject([...tried, { message: "writing to Ada" }]);
    expect(await read(`${viewerUrl}/${good.run_id}/result`)).toEqual({ pages: 2 });
    expect(bad).toMatchObject({ status: "failed", error: "the model was busy", owner: { attempt: 3 } });
    expect(bad.logs.filter(({ message }) => message === "writing to nobody")).toHaveLength(3);
    expect(bad.logs.filter(({ traceback }) => traceback !== undefined)).toHaveLength(3);
    await until(async () => (await queue.getJob(good.run_id))?.returnvalue?.pages === 2, "the queue");
    await until(async () => (await queue.getJob(bad.run_id))?.failedReason === "the model was busy", "the queue");
    expect(program.stderr).toBe("");
    await queue.close();
  });

  it("of BullMQ's log leaves one that trims without a word, and that goes with its job", async () => {
    const connection = { url: redis.url };
    const queue = new Queue("trimmed", { connection });
    const kept: unknown[] = [];
    const worker = new Worker(
      "trimmed",
      async (job) => {
        for (let line = 0; line < 5; line++) await job.log(`line ${line}`);
        kept.push(await queue.getJobLogs(job.id ?? ""));
      },
      { connection },
    );
    const { id = "" } = await queue.add("job", {}, { keepLogs: 2, removeOnComplete: true });
    await until(async () => kept.length === 1 && (await queue.getJob(id)) === undefined, "the job");
    expect(kept).toEqual([{ logs: ["line 3", "line 4"], count: 2 }]);
    expect(await queue.getJobLogs(id)).toEqual({ logs: [], count: 0 });
    await worker.close();
    await queue.close();
  });

  it("of server-sent events shows the same lines and result to the viewer, then to whoever comes later", async () => {
    const printed = "page 1 of indeed\npage 2 of indeed\npage 3 of indeed\n12\n";
    for (const version of ["-before", ""] as const) {
      const { url } = await start(`sse${version}`, "");
      await until(() => fetch(url).then(Boolean, () => false), "the service");
      const { program } = await start(`sse-viewer${version}`, "", { SERVICE: url });
      expect(await program.ended, version).toBe(0);
      expect([program.stdout, program.stderr]).toEqual([printed, ""]);
      if (version !== "") continue;
      const answer = await operate(url, "/boards/indeed/import");
      expect(answer.logs.map(({ message }) => message)).toEqual(printed.split("\n").slice(0, 3));
    }
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
