/**
 * Fuzzed requests: a grammar of requests whose fields are hostile here and there, as raw bytes to a real server and
 * as Requests to fetch. `LIVETAIL_FUZZ_SEED` sets what is sent.
 */
import { expect, it } from "vitest";
import { createFetchHandler } from "../src/fetch.js";
import { memoryStore } from "../src/store/memory.js";
import { sendFetched } from "./support/fetch-driver.js";
import { FUZZ_SEED } from "./support/fuzz-seed.js";
import { Grammar } from "./support/grammar.js";
import { length } from "./support/length.js";
import { watchMemory } from "./support/memory-peak.js";
import { request as plainRequest } from "./support/plain-request.js";
import { startRedis } from "./support/redis.js";
import { type DriverOptions, sendApart, sendPipelined, shown } from "./support/request-driver.js";
import { type FuzzedRequest, REFUSED_FIELDS, REQUEST_FIELDS, writeRequest } from "./support/request-grammar.js";
import { MOUNT } from "./support/request-place.js";
import { openRequestScene, type RequestScene } from "./support/request-scene.js";
import { faultOf, isOurs, type SeenAnswer } from "./support/request-verdict.js";
import { seededRandom } from "./support/seeded-random.js";

/** 100,000 in all at full length, those that warm up included. */
const WARM_UP = 4000;
const OVER_SOCKETS = length(82_000, 16_000);
const FROM_REDIS = length(6000, 1500);
const THROUGH_FETCH = length(8000, 2000);
/** How often each field is hostile, at least. */
const LEAST_HOSTILE = length(100, 15);
const PIPELINE = 48;
const PIPELINES = 8;
const APART = 128;
/** One of so many requests may be held, or is for a stream. */
const STAYING = 25;
const FAULTS_SHOWN = 5;
const DEADLINE_MS = 400_000;
/** About twice the most that was measured: what fails is a leak, not another version of node. */
const MOST_RSS_MB = 128;
const MOST_HELD_MB = 8;

const grammarOf = (seed: number): Grammar => new Grammar(REQUEST_FIELDS, seededRandom(seed), REFUSED_FIELDS);

/** What became of the requests. */
class Tally {
  readonly faults: string[] = [];
  readonly byStatus = new Map<string, number>();
  answered = 0;
  cut = 0;
  held = 0;

  /** What the drivers call. */
  readonly hearing = {
    onAnswer: (request: FuzzedRequest, answer: SeenAnswer): void => this.#onAnswer(request, answer),
    onCut: (request: FuzzedRequest): void => this.#onCut(request),
    onHeld: (): void => {
      this.held += 1;
    },
  };

  get total(): number {
    return this.answered + this.cut + this.held;
  }

  #onAnswer(request: FuzzedRequest, answer: SeenAnswer): void {
    this.answered += 1;
    const kind = isOurs(answer) ? String(answer.status) : `${answer.status} of node`;
    this.byStatus.set(kind, (this.byStatus.get(kind) ?? 0) + 1);
    this.#note(request, answer, faultIn(request, answer));
  }

  #onCut(request: FuzzedRequest): void {
    this.cut += 1;
    if (request.said === null || request.method === "CONNECT") return;
    this.#note(request, null, "cut off without an answer");
  }

  #note(request: FuzzedRequest, answer: SeenAnswer | null, fault: string | undefined): void {
    if (fault === undefined) return;
    // The worst is shown first.
    if (this.faults.length >= FAULTS_SHOWN && (answer?.status ?? 500) < 500) return;
    this.faults.unshift(`${fault}: ${shown(request)} → ${answer?.status} ${answer?.text.slice(0, 600)}`);
  }
}

function faultIn(request: FuzzedRequest, answer: SeenAnswer): string | undefined {
  try {
    return faultOf(request, answer);
  } catch (error) {
    return String(error);
  }
}

/** Counts what nobody caught while `work` is done. */
async function countingUncaught(work: () => Promise<void>): Promise<unknown[]> {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", note).on("unhandledRejection", note);
  try {
    await work();
    await new Promise(setImmediate);
  } finally {
    process.off("uncaughtException", note).off("unhandledRejection", note);
  }
  return uncaught;
}

/** Sends `count` requests to the server of a scene. */
async function fuzzServer(
  scene: RequestScene,
  g: Grammar,
  count: number,
  tally: Tally,
  sample: () => void,
): Promise<void> {
  const { server, livetail } = scene;
  const options: DriverOptions = { server, handler: livetail.handler, ...tally.hearing };
  let apart: FuzzedRequest[] = [];
  for (let written = 0, wave = 0; written < count; wave += 1) {
    const runs = await scene.runs();
    const pipelines: FuzzedRequest[][] = Array.from({ length: PIPELINES }, () => []);
    for (const pipeline of pipelines) {
      while (pipeline.length < PIPELINE && written < count && pipeline.at(-1)?.last !== true) {
        const request = writeRequest(g, runs, g.oneIn(STAYING));
        written += 1;
        (request.strange || request.mayStay ? apart : pipeline).push(request);
      }
    }
    await Promise.all(pipelines.map((pipeline) => sendPipelined(options, pipeline)));
    while (apart.length >= APART || (written === count && apart.length > 0)) {
      await sendApart(options, apart.slice(0, APART), (held) => {
        // Every second time the news comes before the viewers leave.
        const run = held.find(({ said }) => said?.place === "poll" && said.run?.status === "open")?.said?.run;
        if (run === undefined || run === null || wave % 2 === 0) return [];
        scene.news(run.id);
        return held.filter(({ said }) => said?.run?.id === run.id);
      });
      apart = apart.slice(APART);
    }
    sample();
  }
  const health = await livetail.handler.handle(plainRequest("/-/health"));
  expect(JSON.parse(health.body as string)).toMatchObject({ store: "ok", viewers: 0, waiting_lines: 0 });
}

/** What `onError` may hear of: an authorize that threw, or answered rubbish. */
const FORESEEN = ["FORBIDDEN", "INVALID_OPTION"];

function expectNoFaults(tally: Tally, scene: RequestScene, uncaught: readonly unknown[], count: number): void {
  expect(tally.faults).toEqual([]);
  expect(uncaught).toEqual([]);
  expect(tally.total).toBeGreaterThanOrEqual(count);
  expect(tally.held).toBeGreaterThan(0);
  expect(scene.errors.filter(({ code }) => !FORESEEN.includes(code))).toEqual([]);
}

function report(what: string, tally: Tally, rest: string): void {
  const statuses = [...tally.byStatus].sort().map(([status, count]) => `${status}: ${count}`);
  console.log(
    `fuzzed requests, ${what}: seed ${FUZZ_SEED}; ${statuses.join(", ")}; held: ${tally.held}, cut: ${tally.cut}; ${rest}`,
  );
}

it(
  "answers fuzzed requests over sockets, none of them by a 5xx, and keeps nothing of them",
  async () => {
    const scene = await openRequestScene({ store: memoryStore() });
    const g = grammarOf(FUZZ_SEED);
    const warm = new Tally();
    await fuzzServer(scene, g, WARM_UP, warm, () => {});
    const memory = watchMemory();
    const tally = new Tally();
    const count = OVER_SOCKETS;
    const uncaught = await countingUncaught(() => fuzzServer(scene, g, count, tally, memory.sample));
    const growth = memory.growth();
    const least = Math.min(...g.mutations.values());
    report(
      "node",
      tally,
      `${g.mutations.size} fields hostile, each ${least} times or more; +${growth.peakRss} MB at most, +${growth.heldHeap} MB of heap held`,
    );
    await scene.close();
    expect(warm.faults).toEqual([]);
    expectNoFaults(tally, scene, uncaught, count);
    expect(g.mutations.size).toBeGreaterThanOrEqual(20);
    expect(least).toBeGreaterThanOrEqual(LEAST_HOSTILE);
    expect(growth.peakRss).toBeLessThan(MOST_RSS_MB);
    expect(growth.heldHeap).toBeLessThan(MOST_HELD_MB);
  },
  DEADLINE_MS,
);

it(
  "answers fuzzed requests over sockets from Redis, none of them by a 5xx",
  async () => {
    const redis = await startRedis();
    const scene = await openRequestScene({ redis: redis.url, keyPrefix: `fuzz-${FUZZ_SEED}:` });
    const g = grammarOf(FUZZ_SEED + 1);
    const tally = new Tally();
    const uncaught = await countingUncaught(() => fuzzServer(scene, g, FROM_REDIS, tally, () => {}));
    report("Redis", tally, `${g.mutations.size} fields hostile`);
    await scene.close();
    await redis.stop();
    expectNoFaults(tally, scene, uncaught, FROM_REDIS);
  },
  DEADLINE_MS,
);

it(
  "answers fuzzed Requests through fetch, none of them by a 5xx",
  async () => {
    const scene = await openRequestScene({ store: memoryStore() });
    const g = grammarOf(FUZZ_SEED + 2);
    const tally = new Tally();
    const handle = createFetchHandler(scene.livetail, { mount: MOUNT });
    const uncaught = await countingUncaught(async () => {
      while (tally.total < THROUGH_FETCH) {
        const runs = await scene.runs();
        const requests = Array.from({ length: APART }, () => writeRequest(g, runs, g.oneIn(STAYING)));
        await sendFetched(handle, scene.livetail.handler, requests, tally.hearing);
      }
    });
    report("fetch", tally, `${g.mutations.size} fields hostile`);
    await scene.close();
    expectNoFaults(tally, scene, uncaught, THROUGH_FETCH);
  },
  DEADLINE_MS,
);
