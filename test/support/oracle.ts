/**
 * Knows every line that every producer of a run ever logged, and judges what viewers saw of them (protocol §11).
 *
 * A line's message is `{producer} {number} …`. A `log_gap` line does not name its producer, so each producer has a
 * clock of its own, that many hours ahead: the hour of a line's time tells whose it is.
 */
import { type Clock, systemClock } from "../../src/clock.js";
import type { Gap, LogEntry } from "../../src/protocol.js";

const HOUR_MS = 3_600_000;

/** What of an entry is looked at; of what a store holds, too. */
export type SeenLine = Pick<LogEntry, "index" | "timestamp" | "message"> & { event?: string; dropped?: number };

/** What one viewer saw of one epoch. */
export interface Sight {
  viewer: string;
  epoch: string;
  /** null: from wherever the viewer began. */
  from: number | null;
  seen: (SeenLine | Gap)[];
}

/** A producer of one run. */
export interface KnownProducer {
  readonly name: string;
  /** Lines logged so far; of one that was killed, at most. */
  logged: number;
  /** Lines that the store said it has, at least; what is lost of them must be announced, however the producer ended. */
  acknowledged: number;
  /** It may have been fenced or killed, so its last lines may be nowhere; what it lost otherwise must be announced. */
  cutOff: boolean;
}

/** How often each promise was broken. */
export interface Counters {
  /** Lines that are nowhere, and nobody said so. */
  lostUnannounced: number;
  doubled: number;
  outOfOrder: number;
  /** An index of an epoch that carries two lines. */
  reused: number;
  /** Viewers that never finished, and ends that never came. */
  hung: number;
}

/** What was found. */
export interface Verdict extends Omit<Counters, "hung"> {
  /** One sentence for each broken promise. */
  faults: string[];
  /** Lines after the last that was seen or announced, if that can be known from what was seen; else null. */
  rest: number | null;
  /** The same of those that were cut off, at most: they may be late, dropped, or lost with what their heir does not have. */
  cutOffRest: number;
  epochs: number;
  lines: number;
  /** Lines announced as lost by `log_gap` lines of the last epoch. */
  announced: number;
}

/** The oracle of one run. */
export class Oracle {
  readonly #producers: KnownProducer[] = [];

  /** Adds a producer; its lines must be logged with the clock of its hour. */
  add(name: string, hour: number): KnownProducer {
    const producer: KnownProducer = { name, logged: 0, acknowledged: 0, cutOff: false };
    this.#producers[hour] = producer;
    return producer;
  }

  get logged(): number {
    return this.#producers.reduce((sum, producer) => sum + producer.logged, 0);
  }

  /** Judges all that all viewers saw; the last epoch is that of `finalEpoch`, which had `next` lines. */
  judge(sights: readonly Sight[], finalEpoch: string, next: number): Verdict {
    const verdict: Verdict = {
      ...{ faults: [], lostUnannounced: 0, doubled: 0, outOfOrder: 0, reused: 0 },
      ...{ rest: null, cutOffRest: 0, epochs: 0, lines: 0, announced: 0 },
    };
    const epochs = new Map<string, Map<number, SeenLine>>();
    for (const sight of sights) {
      const lines = epochs.get(sight.epoch) ?? new Map<number, SeenLine>();
      epochs.set(sight.epoch, lines);
      follow(sight, lines, verdict);
    }
    for (const [epoch, lines] of epochs) {
      this.#walk(epoch, lines, epoch === finalEpoch ? next : null, verdict);
      verdict.lines += lines.size;
    }
    verdict.epochs = epochs.size;
    return verdict;
  }

  /** The order of each producer within an epoch, and its lines that nobody announced. */
  #walk(epoch: string, lines: ReadonlyMap<number, SeenLine>, end: number | null, verdict: Verdict): void {
    const { faults } = verdict;
    /** Of each producer: its next number if all before is accounted for, at least that otherwise. */
    const positions = this.#producers.map(() => ({ next: 0, exact: lines.has(0), seen: new Set<number>() }));
    let before = -1;
    let announced = 0;
    const doubt = (): void => {
      positions.forEach((position) => {
        position.exact = false;
      });
    };
    for (const [index, entry] of [...lines].sort(([a], [b]) => a - b)) {
      if (index !== before + 1) doubt();
      before = index;
      const hour = hourOf(entry);
      const producer = this.#producers[hour];
      const position = positions[hour];
      if (entry.event === "log_gap") {
        if (position === undefined) faults.push(`${epoch}.${index} is a gap of nobody.`);
        else position.next += entry.dropped ?? 0;
        announced += entry.dropped ?? 0;
        continue;
      }
      if (entry.event?.startsWith("owner_")) continue;
      const [name, digits] = entry.message.split(" ");
      const number = Number(digits);
      if (producer === undefined || position === undefined || name !== producer.name) {
        faults.push(`${epoch}.${index} is nobody's: "${label(entry)}".`);
        continue;
      }
      if (position.seen.has(number)) {
        verdict.doubled += 1;
        faults.push(`${epoch}.${index} doubles "${label(entry)}".`);
        continue;
      }
      position.seen.add(number);
      if (number < position.next) {
        verdict.outOfOrder += 1;
        faults.push(`${epoch}.${index} comes too late: "${label(entry)}" after ${position.next - 1}.`);
        continue;
      }
      if (number > position.next && position.exact) {
        verdict.lostUnannounced += number - position.next;
        faults.push(`${epoch}.${index} "${label(entry)}" without ${position.next} to ${number - 1}, unannounced.`);
      }
      position.next = number + 1;
      position.exact = true;
    }
    if (end === null) return;
    verdict.announced = announced;
    if (before !== end - 1) doubt();
    let rest: number | null = 0;
    positions.forEach(({ next, exact }, hour) => {
      const producer = this.#producers[hour];
      if (producer === undefined) return;
      const missing = producer.logged - next;
      if (missing < 0) faults.push(`${producer.name} logged ${producer.logged} and has ${next} in ${epoch}.`);
      if (exact && next < producer.acknowledged) {
        verdict.lostUnannounced += producer.acknowledged - next;
        faults.push(`${producer.name} has ${next} in ${epoch}, and ${producer.acknowledged} were acknowledged.`);
      }
      if (producer.cutOff) verdict.cutOffRest += missing;
      else rest = exact && rest !== null ? rest + missing : null;
    });
    verdict.rest = rest;
  }
}

/** One viewer's order: every index once, upwards, with all that is left out announced. */
function follow(sight: Sight, lines: Map<number, SeenLine>, verdict: Verdict): void {
  const { faults } = verdict;
  const own = new Set<number>();
  let next = sight.from;
  for (const seen of sight.seen) {
    const from = "index" in seen ? seen.index : seen.from;
    if (next !== null && from !== next) {
      if (from > next) verdict.lostUnannounced += from - next;
      else if (own.has(from)) verdict.doubled += 1;
      else verdict.outOfOrder += 1;
      faults.push(`${sight.viewer} was at ${next} of ${sight.epoch} and got ${from} without a gap.`);
    }
    if (!("index" in seen)) {
      if (seen.lost !== seen.to - seen.from + 1) {
        verdict.lostUnannounced += Math.abs(seen.to - seen.from + 1 - seen.lost);
        faults.push(`A gap of ${sight.epoch} miscounts: ${JSON.stringify(seen)}`);
      }
      next = seen.to + 1;
      continue;
    }
    own.add(seen.index);
    next = seen.index + 1;
    const other = lines.get(seen.index);
    if (other === undefined) lines.set(seen.index, seen);
    else if (other.message !== seen.message || other.timestamp !== seen.timestamp) {
      verdict.reused += 1;
      faults.push(`${sight.epoch}.${seen.index} is both "${label(other)}" and "${label(seen)}".`);
    }
  }
}

/** A clock `hour` hours ahead. */
export function clockAhead(hour: number): Clock {
  return { ...systemClock, now: () => Date.now() + hour * HOUR_MS };
}

function hourOf({ timestamp }: SeenLine): number {
  return timestamp === null ? -1 : Math.round((Date.parse(timestamp) - Date.now()) / HOUR_MS);
}

function label({ message, event, dropped }: SeenLine): string {
  return event === "log_gap" ? `log_gap of ${dropped}` : message.slice(0, 40);
}
