/** What the tests of the reading side stand on: an embedded store that is watched, and a reader with a hand clock. */
import { LivetailError } from "../../src/errors.js";
import type { PollAnswer } from "../../src/protocol.js";
import { parseCursor } from "../../src/protocol.js";
import { createReader, type Reader, type ReaderOptions } from "../../src/reader.js";
import type { From } from "../../src/run-view.js";
import { Listeners } from "../../src/store/listeners.js";
import type { Hint, LogStore, ReadRequest, StoreLimits } from "../../src/store.js";
import { claimBy, lines, type Producer, unique } from "../contract/log-store/scene.js";
import type { StoreHarness } from "../contract/log-store.js";
import { createHandClock, type HandClock } from "./hand-clock.js";
import { openMemoryHarness } from "./memory-harness.js";

/** What a poll is asked with, in words of the wire. */
export interface Asking {
  cursor?: string;
  since?: number;
  tail?: number;
  limit?: number;
  waitMs?: number;
  signal?: AbortSignal;
}

export interface ReadingScene {
  harness: StoreHarness;
  store: LogStore;
  clock: HandClock;
  reader: Reader;
  /** Every read that the store was asked for. */
  reads: ReadRequest[];
  /** How many runs are watched now. */
  watched(): number;
  /** While true, reads are rejected as by a store that is away. */
  away: boolean;
  /** While set, reads are rejected with it. */
  fault: unknown;
  /** While true, no line that is read can be parsed. */
  spoilt: boolean;
  /** While true, hints get lost. */
  deaf: boolean;
  /** While set, reads wait for it after they were answered. */
  slow: Promise<void> | null;
  /** Gives whoever watches a run a hint. */
  tell(runId: string, hint: Hint): void;
  /** A run with its owner; its id has livetail's own form. */
  run(count?: number): Promise<Producer>;
  poll(runId: string, asking?: Asking): Promise<PollAnswer>;
}

/** Sets the scene. */
export async function setScene(
  limits: Partial<StoreLimits> = {},
  options: Partial<ReaderOptions> = {},
): Promise<ReadingScene> {
  const harness = await openMemoryHarness(limits);
  const inner = harness.store;
  const clock = createHandClock();
  const reads: ReadRequest[] = [];
  let watched = 0;
  const watchers = new Listeners<Hint>();
  const store: LogStore = {
    ...inner,
    async read(request) {
      reads.push(request);
      if (scene.fault !== null) throw scene.fault;
      if (scene.away) throw new LivetailError("STORE_UNAVAILABLE");
      const answer = await inner.read(request);
      await scene.slow;
      return scene.spoilt && answer !== null ? { ...answer, lines: answer.lines.map(() => null as never) } : answer;
    },
    watch(runId, onHint) {
      watched += 1;
      const leave = watchers.add(runId, onHint);
      const unwatch = inner.watch(runId, (hint) => {
        if (!scene.deaf) onHint(hint);
      });
      return () => {
        watched -= 1;
        leave();
        unwatch();
      };
    },
  };
  const reader = createReader({ store, clock, ...options });
  const scene: ReadingScene = {
    harness,
    store,
    clock,
    reader,
    reads,
    watched: () => watched,
    away: false,
    fault: null,
    spoilt: false,
    deaf: false,
    slow: null,
    tell: (runId, hint) => watchers.tell(runId, hint),
    async run(count = 0) {
      const producer = await claimBy(harness, `op_test_${unique("").replace(/\D/g, "").padStart(24, "a")}`);
      if (count > 0) await producer.write(lines(count));
      return producer;
    },
    async poll(runId, asking = {}) {
      const { limit = 500, waitMs = 0, signal } = asking;
      return JSON.parse(String(await reader.poll(runId, { from: fromOf(asking), limit, waitMs }, { signal })));
    },
  };
  return scene;
}

/** Where an asking begins. */
function fromOf({ cursor, since = 0, tail }: Asking): From {
  if (cursor !== undefined) {
    const parsed = parseCursor(cursor);
    if (parsed === null) throw new Error(`${cursor} is no cursor`);
    return { kind: "cursor", text: cursor, cursor: parsed };
  }
  return tail === undefined ? { kind: "since", index: since } : { kind: "tail", count: tail };
}
