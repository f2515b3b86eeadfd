/** A process that polls a run, and tells what that allocated; see `growth.ts`. */
import { createLivetail, type Livetail } from "livetail";
import { createHandClock } from "../test/support/hand-clock.js";

/** What to read, from where. */
export interface ReaderRole {
  redisUrl: string;
}

/** Polls of one cursor, one after the other; `count` is 1 for a poll that is held until there is something new. */
export interface PollOrder {
  runId: string;
  query: string;
  count: number;
}

/** What came of them. */
export interface PollReport {
  /** The last answer. */
  body: string;
  /** Bytes of heap that one poll allocated. */
  allocated: number;
}

/** How many polls are made between two looks at the heap. */
const BATCH = 100;

let livetail: Livetail | null = null;
process.on("disconnect", () => process.exit(0));
process.on("message", (message: ReaderRole | PollOrder) => {
  if ("redisUrl" in message) {
    // On a clock that stands still nothing is read that no poll and no hint asked for.
    livetail = createLivetail({ redis: message.redisUrl, clock: createHandClock() });
    process.send?.(true);
  } else if (livetail !== null) {
    void poll(livetail, message).then((report) => process.send?.(report));
  }
});

async function poll({ handler }: Livetail, { runId, query, count }: PollOrder): Promise<PollReport> {
  const path = `/${runId}`;
  const signal = new AbortController().signal;
  const header = (): undefined => undefined;
  const request = { method: "GET", path, query, url: `${path}?${query}`, header, signal, raw: null, mount: "" };
  const looks: number[] = [];
  for (let done = 0; ; ) {
    const batch = Math.min(BATCH, count - done);
    const before = process.memoryUsage().heapUsed;
    let answer = handler.handle(request);
    for (let more = 1; more < batch; more += 1) answer = handler.handle(request);
    // An answer that is there at once is not made one of a later turn by being awaited.
    if (answer instanceof Promise) answer = await answer;
    looks.push((process.memoryUsage().heapUsed - before) / batch);
    done += batch;
    if (done < count) continue;
    const { status, body } = answer;
    if (status !== 200 || body === null || (typeof body !== "string" && !(body instanceof Uint8Array)))
      throw new Error(`A poll was answered ${status}.`);
    // Garbage was collected during some of them, perhaps; not during most.
    looks.sort((a, b) => a - b);
    return { body: Buffer.from(body).toString(), allocated: looks[looks.length >> 1] ?? Number.NaN };
  }
}
