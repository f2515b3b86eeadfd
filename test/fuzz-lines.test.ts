/**
 * Fuzzed lines: a grammar of stored lines, read as a reader reads them, sent as a stream sends them, and shown as a
 * terminal shows them. `LIVETAIL_FUZZ_SEED` sets what is read.
 */
import { isDeepStrictEqual } from "node:util";
import { expect, it } from "vitest";
import { harmless, harmlessJson } from "../src/cli/harmless.js";
import { renderEntry } from "../src/cli/terminal.js";
import type { PollPart } from "../src/client/poll-state.js";
import { sseTransport } from "../src/client/sse.js";
import { entryText } from "../src/entry-text.js";
import { parseLine } from "../src/line.js";
import { logFrames, PING, RETRY } from "../src/sse.js";
import { entryFault } from "./support/entry-verdict.js";
import { FUZZ_SEED } from "./support/fuzz-seed.js";
import { Grammar } from "./support/grammar.js";
import { length } from "./support/length.js";
import { LINE_FIELDS, writeLine } from "./support/line-grammar.js";
import { watchMemory } from "./support/memory-peak.js";
import { type SeededRandom, seededRandom } from "./support/seeded-random.js";

const LINES = length(100_000, 30_000);
const BATCH = 100;
const FAULTS_SHOWN = 5;
const DEADLINE_MS = 400_000;
/** About twice the most that was measured; a page of 1 MB lines is held in six forms at a time. */
const MOST_RSS_MB = 600;
const MOST_HELD_MB = 8;

/** What may be left of control characters: tabs, line ends between rows, and colours where they are wanted. */
const CONTROL = /[^\P{Cc}\t\n]/u;
const ESC = "\u001b";
const COLOUR = new RegExp(`${ESC}\\[[0-9;:]*m`, "g");

const PROTOTYPES = [Object.prototype, Array.prototype, String.prototype, Function.prototype];
const inherited = (): string => PROTOTYPES.map((one) => Reflect.ownKeys(one).map(String).join()).join("\n");

it(
  `reads ${LINES} fuzzed lines, each as an entry that is what the protocol says`,
  async () => {
    const random = seededRandom(FUZZ_SEED);
    const g = new Grammar(LINE_FIELDS, random);
    const faults: string[] = [];
    const bySource = new Map<string, number>();
    const before = inherited();
    for (let at = 0; at < 2000; at += 1) parseLine(writeLine(g), at);
    const memory = watchMemory();
    let bytes = 0;
    for (let from = 0; from < LINES; from += BATCH) {
      const jsons: string[] = [];
      for (let at = from; at < from + BATCH; at += 1) {
        const line = writeLine(g);
        bytes += line.length;
        const entry = parseLine(line, at);
        const json = entryText(line, at);
        jsons.push(JSON.stringify(JSON.parse(json)));
        if (!isDeepStrictEqual(JSON.parse(json), JSON.parse(JSON.stringify(entry)))) {
          faults.push(`not the entry: ${line.slice(0, 500)}`);
        }
        bySource.set(entry.source, (bySource.get(entry.source) ?? 0) + 1);
        const fault = entryFault(line, at, entry, json) ?? shownFault(line, entry, json);
        if (fault !== undefined && faults.length < FAULTS_SHOWN)
          faults.push(`${fault}: ${JSON.stringify(line.slice(0, 500))}`);
      }
      const received = await streamed(jsons, from, random);
      if (received !== jsons.join("\n")) faults.push(`another batch than was sent from ${from} on`);
      memory.sample();
    }
    const growth = memory.growth();
    const least = Math.min(...g.mutations.values());
    console.log(
      `fuzzed lines: seed ${FUZZ_SEED}; ${[...bySource].map((each) => each.join(": ")).join(", ")}; ` +
        `${Math.round(bytes / 1e6)} MB; ${g.mutations.size} fields hostile, each ${least} times or more; ` +
        `+${growth.peakRss} MB at most, +${growth.heldHeap} MB of heap held`,
    );
    expect(faults).toEqual([]);
    expect(inherited()).toBe(before);
    expect(bySource.size).toBe(3);
    expect(g.mutations.size).toBeGreaterThanOrEqual(20);
    expect(least).toBeGreaterThanOrEqual(100);
    expect(growth.peakRss).toBeLessThan(MOST_RSS_MB);
    expect(growth.heldHeap).toBeLessThan(MOST_HELD_MB);
  },
  DEADLINE_MS,
);

/** What a terminal would not survive; undefined for nothing. */
function shownFault(line: string, entry: ReturnType<typeof parseLine>, json: string): string | undefined {
  if (CONTROL.test(harmless(line, false)) || harmless(line, false).includes("\n")) return "a control character is left";
  if (CONTROL.test(harmless(line, true).replace(COLOUR, ""))) return "a control character is left beside colours";
  if (CONTROL.test(renderEntry(entry, false))) return "a control character is shown";
  if (CONTROL.test(renderEntry(entry, true).replace(COLOUR, ""))) return "a control character is shown in colour";
  const harmed = harmlessJson(json);
  if (CONTROL.test(harmed)) return "a control character is left in JSON";
  return harmed === json || JSON.stringify(JSON.parse(harmed)) === json ? undefined : "JSON that says something else";
}

/** Entries through a stream whose bytes come in pieces of any size; as JSON texts, one a line. */
async function streamed(jsons: readonly string[], from: number, random: SeededRandom): Promise<string> {
  const bytes = Buffer.from(`${RETRY}${PING}${logFrames("abc", from, jsons)}${PING}`);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + random.pick([1, 2, 3, random.between(1, 4000), random.between(1, 300_000)]);
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = pieces.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(new Uint8Array(piece));
    },
  });
  const received: string[] = [];
  const take = (part: PollPart): void => {
    for (const entry of part.logs ?? []) received.push(JSON.stringify(entry));
    const position = from + received.length;
    if (part.next_index !== position || part.cursor !== `abc.${position}`) received.push(`at ${part.cursor}`);
  };
  await sseTransport().read(new Response(body), take, () => {});
  return received.join("\n");
}
