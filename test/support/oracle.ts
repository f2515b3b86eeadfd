/**
 * Knows every line that every producer of a run ever logged, and judges what viewers saw of them (protocol §11).
 *
 * A line's message is `{producer} {number} …`. A `log_gap` line does not name its producer, so each producer has a
 * clock of its own, that many hours ahead: the hour of a line's time tells whose it is.
 */
import { type Clock, systemClock } from "../../src/clock.js";
import type { Gap, LogEntry } from "../../src/protocol.js";

const HOUR_MS = 3_600_000;

/** What one viewer saw of one epoch. */
export interface Sight {
  viewer: string;
  epoch: string;
  /** null: from wherever the viewer began. */
  from: number | null;
  seen: (LogEntry | Gap)[];
}

/** A producer of one run. */
export interface KnownProducer {
  readonly name: string;
  /** Lines logged so far. */
  logged: number;
  /** It may have been fenced, so its last lines may be nowhere; what it lost otherwise must be announced. */
  fenced: boolean;
}

/** What was found. */
export interface Verdict {
  /** One sentence for each broken promise. */
  faults: string[];
  /** Lines after the last that was seen or announced, if that can be known from what was seen; else null. */
  rest: number | null;
  /** The same of those that were fenced, at most: they may be late, dropped, or lost with what their heir does not have. */
  fencedRest: number;
  epochs: number;
  lines: number;
  /** Lines announced as lost by `log_gap` lines of the last epoch. */
  announced: number;
}

/** The oracle of one run. */
export class Oracle {
  readonly #producers: KnownProducer[] = [];

  /** Adds a producer; its lines must be logged with `clock`. */
  add(name: string, hour: number): KnownProducer {
    const producer: KnownProducer = { name, logged: 0, fenced: false };
    this.#producers[hour] = producer;
    return producer;
  }

  get logged(): number {
    return this.#producers.reduce((sum, producer) => sum + producer.logged, 0);
  }

  /** Judges all that all viewers saw; the last epoch is that of `finalEpoch`, which had `next` lines. */
  judge(sights: readonly Sight[], finalEpoch: string, next: number): Verdict {
    const faults: string[] = [];
    const epochs = new Map<string, Map<number, LogEntry>>();
    for (const sight of sights) {
      const lines = epochs.get(sight.epoch) ?? new Map<number, LogEntry>();
      epochs.set(sight.epoch, lines);
      this.#follow(sight, lines, faults);
    }
    let rest: number | null = null;
    let fencedRest = 0;
    let announced = 0;
    for (const [epoch, lines] of epochs) {
      const final = epoch === finalEpoch;
      const walk = this.#walk(epoch, lines, final ? next : null, faults);
      if (final) ({ rest, fencedRest, announced } = walk);
    }
    const lines = [...epochs.values()].reduce((sum, each) => sum + each.size, 0);
    return { faults, rest, fencedRest, epochs: epochs.size, lines, announced };
  }

  /** One viewer's order: every index once, upwards, with all that is left out announced. */
  #follow(sight: Sight, lines: Map<number, LogEntry>, faults: string[]): void {
    let next = sight.from;
    for (const seen of sight.seen) {
      const from = "index" in seen ? seen.index : seen.from;
      if (next !== null && from !== next) {
        faults.push(`${sight.viewer} was at ${next} of ${sight.epoch} and got ${from} without a gap.`);
      }
      if (!("index" in seen)) {
        if (seen.lost !== seen.to - seen.from + 1)
          faults.push(`A gap of ${sight.epoch} counts ${JSON.stringify(seen)}`);
        next = seen.to + 1;
        continue;
      }
      next = seen.index + 1;
      const other = lines.get(seen.index);
      if (other === undefined) lines.set(seen.index, seen);
      else if (other.message !== seen.message || other.timestamp !== seen.timestamp) {
        faults.push(`${sight.epoch}.${seen.index} is both "${label(other)}" and "${label(seen)}".`);
      }
    }
  }

  /** The order of each producer within an epoch, and its lines that nobody announced. */
  #walk(
    epoch: string,
    lines: ReadonlyMap<number, LogEntry>,
    end: number | null,
    faults: string[],
  ): { rest: number | null; fencedRest: number; announced: number } {
    /** Of each producer: its next number if all before is accounted for, at least that otherwise. */
    const positions = this.#producers.map(() => ({ next: 0, exact: lines.has(0) }));
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
      if (producer === undefined || position === undefined) continue;
      if (entry.event === "log_gap") {
        position.next += entry.dropped ?? 0;
        announced += entry.dropped ?? 0;
        continue;
      }
      const [name, digits] = entry.message.split(" ");
      const number = Number(digits);
      if (name !== producer.name) {
        if (!entry.event?.startsWith("owner_")) faults.push(`${epoch}.${index} is nobody's: "${label(entry)}".`);
        continue;
      }
      if (number < position.next) {
        faults.push(`${epoch}.${index} doubles or comes too late: "${label(entry)}" after ${position.next - 1}.`);
      } else if (number > position.next && position.exact) {
        faults.push(`${epoch}.${index} "${label(entry)}" without ${position.next} to ${number - 1}, unannounced.`);
      }
      position.next = number + 1;
      position.exact = true;
    }
    if (end === null) return { rest: null, fencedRest: 0, announced };
    if (before !== end - 1) doubt();
    let rest: number | null = 0;
    let fencedRest = 0;
    positions.forEach(({ next, exact }, hour) => {
      const producer = this.#producers[hour];
      if (producer === undefined) return;
      const missing = producer.logged - next;
      if (missing < 0) faults.push(`${producer.name} logged ${producer.logged} and has ${next} in ${epoch}.`);
      if (producer.fenced) {
        fencedRest += missing;
        return;
      }
      rest = exact && rest !== null ? rest + missing : null;
    });
    return { rest, fencedRest, announced };
  }
}

/** A clock `hour` hours ahead. */
export function clockAhead(hour: number): Clock {
  return { ...systemClock, now: () => Date.now() + hour * HOUR_MS };
}

function hourOf({ timestamp }: LogEntry): number {
  return timestamp === null ? -1 : Math.round((Date.parse(timestamp) - Date.now()) / HOUR_MS);
}

function label({ message, event, dropped }: LogEntry): string {
  return event === "log_gap" ? `log_gap of ${dropped}` : message.slice(0, 40);
}
