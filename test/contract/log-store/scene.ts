/** What the cases are told with: requests with defaults, a producer that keeps its numbers, waiting on a condition. */
import { createHash } from "node:crypto";
import { expect } from "vitest";
import type {
  AppendAnswer,
  AppendRequest,
  ClaimAnswer,
  ClaimRequest,
  EndAnswer,
  EndRequest,
  LogStore,
  OwnerLease,
  ReadAnswer,
  ReadRequest,
  RecreateRequest,
  RunBirth,
  SweepReport,
} from "../../../src/store.js";
import { LEASE_MS, type StoreHarness, SWEEP_PERIOD_MS } from "./harness.js";

let counter = 0;

/** A name that no other call in this process gave: a run, a producer, a subject. */
export function unique(kind: string): string {
  counter += 1;
  return `${kind}-${process.pid}-${counter}`;
}

/** An epoch that no other call in this process gave: 12 characters. */
export function newEpoch(): string {
  counter += 1;
  return `e${counter.toString(36).padStart(11, "0")}`;
}

/** A stored line that says `message`. */
export function line(message: string | number): string {
  return JSON.stringify({ message: String(message) });
}

/** `count` lines that say `from`, `from + 1`, … */
export function lines(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => line(from + i));
}

/** What `LayersWrite.replacesSha1` is for `text`. */
export function sha1(text: string): string {
  return createHash("sha1").update(text).digest("hex");
}

/** An owner with a lease that outlasts any case. */
export function ownerLease(id = unique("owner")): OwnerLease {
  return { id, url: `http://${id}.test`, leaseMs: LEASE_MS };
}

export function birth(overrides: Partial<RunBirth> = {}): RunBirth {
  return { subjectId: "subject", operation: "operation", parentId: "", metadata: "", ...overrides };
}

export function claimRequest(runId: string, overrides: Partial<ClaimRequest> = {}): ClaimRequest {
  return {
    runId,
    producer: unique("producer"),
    newEpoch: newEpoch(),
    owner: ownerLease(),
    takeOver: false,
    birth: birth(),
    ownerChangedLine: line("owner_changed"),
    ...overrides,
  };
}

export function recreateRequest(producer: Producer, overrides: Partial<RecreateRequest> = {}): RecreateRequest {
  return {
    runId: producer.runId,
    producer: producer.id,
    newEpoch: newEpoch(),
    fence: producer.fence,
    owner: producer.owner ?? ownerLease(),
    birth: birth(),
    base: 0,
    have: 0,
    status: "running",
    attempt: 1,
    totals: "",
    layers: "",
    cancelRequested: false,
    createdAt: 1_700_000_000_000,
    startedAt: 1_700_000_001_000,
    ...overrides,
  };
}

/** A producer that keeps its numbers as a writer does: what was acknowledged, what it was told, what it logged. */
export class Producer {
  readonly id = unique("producer");
  epoch = "";
  fence = 0;
  acked = 0;
  told = 0;
  owner: OwnerLease | null = null;

  constructor(
    readonly store: LogStore,
    readonly runId: string,
  ) {}

  /** An append of `texts` after what was acknowledged. */
  request(texts: readonly string[], overrides: Partial<AppendRequest> = {}): AppendRequest {
    const { id, runId, epoch, fence, acked, told, owner } = this;
    const first = overrides.first ?? acked;
    const upto = first + texts.length;
    return {
      runId,
      producer: id,
      fence,
      owner,
      epoch,
      newEpoch: newEpoch(),
      acked,
      told,
      first,
      upto,
      lines: texts,
      logged: overrides.upto ?? upto,
      totals: "",
      start: false,
      layers: null,
      ...overrides,
    };
  }

  /** Appends and takes the answer to heart. */
  async append(texts: readonly string[], overrides: Partial<AppendRequest> = {}): Promise<AppendAnswer> {
    const request = this.request(texts, overrides);
    const answer = await this.store.append(request);
    this.heed(answer, request.upto);
    return answer;
  }

  /** Appends what must be accepted. */
  async write(texts: readonly string[], overrides: Partial<AppendRequest> = {}) {
    return accepted(await this.append(texts, overrides));
  }

  async end(overrides: Partial<EndRequest> = {}, texts: readonly string[] = []): Promise<EndAnswer> {
    const { layers: _, ...write } = this.request(texts, overrides);
    const request = { status: "completed" as const, error: "", errorCode: "", result: null, ...write, ...overrides };
    const answer = await this.store.end(request);
    this.heed(answer, request.upto);
    return answer;
  }

  async release(overrides: Partial<AppendRequest> = {}, texts: readonly string[] = []): Promise<EndAnswer> {
    const { layers: _, ...request } = this.request(texts, overrides);
    const answer = await this.store.release(request);
    this.heed(answer, request.upto);
    return answer;
  }

  private heed(answer: AppendAnswer | EndAnswer, upto: number): void {
    if (answer.code === "OK") {
      this.epoch = answer.epoch;
      this.acked = Math.max(this.acked, upto);
      this.told = answer.next;
    } else if (answer.code === "EPOCH") {
      this.epoch = answer.epoch;
      this.acked = answer.have;
      this.told = answer.next;
    }
  }
}

/** The OK answer, or a failed case. */
export function accepted<A extends { code: string }>(answer: A): Extract<A, { code: "OK" }> {
  expect(answer).toMatchObject({ code: "OK" });
  return answer as Extract<A, { code: "OK" }>;
}

/** Claims a run for a new producer, which must be granted. */
export async function claimBy(
  harness: Pick<StoreHarness, "store">,
  runId: string,
  overrides: Partial<ClaimRequest> = {},
): Promise<Producer & { claimed: Extract<ClaimAnswer, { code: "OK" }> }> {
  const producer = new Producer(harness.store, runId);
  const request = claimRequest(runId, { producer: producer.id, ...overrides });
  const claimed = accepted(await harness.store.claim(request));
  producer.owner = request.owner;
  producer.epoch = claimed.epoch;
  producer.fence = claimed.fence;
  producer.told = claimed.next;
  return Object.assign(producer, { claimed });
}

/** A new run and the producer that owns it. */
export async function owned(harness: StoreHarness, overrides: Partial<ClaimRequest> = {}) {
  return claimBy(harness, unique("run"), overrides);
}

/** A producer that joined by id alone: no fence, no epoch, no lease. */
export function joined(harness: StoreHarness, runId: string): Producer {
  return new Producer(harness.store, runId);
}

/** All that is stored of a run: by default every line and the whole state. */
export async function read(
  harness: StoreHarness,
  runId: string,
  overrides: Partial<ReadRequest> = {},
): Promise<ReadAnswer> {
  const from = { kind: "at", epoch: "", index: 0 } as const;
  const answer = await harness.store.read({ runId, from, limit: 1000, known: null, ...overrides });
  if (answer === null) throw new Error(`there is no run ${runId}`);
  return answer;
}

/** All that is stored of a run but the time of reading: to see that nothing changed. */
export async function snapshot(harness: StoreHarness, runId: string): Promise<Omit<ReadAnswer, "now">> {
  const { now: _, ...rest } = await read(harness, runId);
  return rest;
}

/** The same without the end of the lease, which every write of the owner moves. */
export async function content(harness: StoreHarness, runId: string) {
  const { run, ...rest } = await snapshot(harness, runId);
  const { leaseUntil: _, ...kept } = run;
  return { ...rest, run: kept };
}

/** One sweep of a process, in a period of its own. */
export async function sweep(harness: StoreHarness, lostAfterSweeps = 4): Promise<SweepReport> {
  await harness.nextSweep();
  return harness.store.sweep({
    periodMs: SWEEP_PERIOD_MS,
    lostAfterSweeps,
    newEpoch,
    ownerLostLine: () => line("owner_lost"),
    neverStartedLine: () => line("never_started"),
  });
}

let deadlineMs = 5000;

/** How long cases wait for a condition from now on, in milliseconds. Default 5,000. */
export function setDeadline(ms: number): void {
  deadlineMs = ms;
}

/** Waits until `condition` answers true, asking again every few milliseconds, until the deadline. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until the store's clock has moved on, so that what happens next is later than what happened before. */
export async function laterThanNow(harness: StoreHarness, runId: string): Promise<void> {
  const { now } = await read(harness, runId);
  await until("the store's clock moves", async () => (await read(harness, runId)).now > now);
}
