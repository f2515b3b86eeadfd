/** Measures what each turn of the event loop costs this process, and what of that its own work does. */
import { PerformanceObserver } from "node:perf_hooks";

/** What things cost, in milliseconds. */
export interface Costs {
  /** How many there were that cost more than measuring does. */
  count: number;
  p99: number;
  max: number;
}

/** What costs less is a turn in which nothing was done but measuring. */
const LEAST_US = 20;

/**
 * A stretch of time. It costs the CPU time of the process, helpers of V8 included, or the time that went by without
 * the pauses of the garbage collector, whichever is less: what other processes take from this one does not count.
 */
class Stretch {
  readonly #cpu = process.cpuUsage();
  readonly from = performance.now();
  to = 0;
  /** Microseconds of the CPU. */
  cpu = 0;
  /** Microseconds in which the process' own work was done. */
  leftOut = 0;

  end(): this {
    const { user, system } = process.cpuUsage(this.#cpu);
    this.cpu = user + system;
    this.to = performance.now();
    return this;
  }

  cost(pauses: readonly PerformanceEntry[] = []): number {
    let wall = this.to - this.from;
    for (const { startTime, duration } of pauses) {
      if (startTime >= this.from && startTime <= this.to) wall -= duration;
    }
    return Math.max(0, Math.min(this.cpu, wall * 1000) - this.leftOut);
  }
}

/**
 * A turn is all that runs between two rounds of immediates: timers, sockets, promises. What is done by `apart` is not
 * counted in its turn.
 */
export class TurnCosts {
  readonly #immediate: typeof setImmediate;
  #turns: Stretch[] = [];
  #calls: Stretch[] = [];
  #pauses: PerformanceEntry[] = [];
  readonly #observer = new PerformanceObserver((list) => this.#pauses.push(...list.getEntries()));
  #turn = new Stretch();
  #apart: Stretch | null = null;
  #going = false;

  /** `immediate`: the real one. */
  constructor(immediate: typeof setImmediate) {
    this.#immediate = immediate;
  }

  /** Measures every turn from the next one on. */
  start(): void {
    this.#turns = [];
    this.#calls = [];
    this.#pauses = [];
    this.#observer.observe({ entryTypes: ["gc"] });
    this.#going = true;
    const round = (): void => {
      note(this.#turns, this.#turn.end());
      if (this.#going) this.#immediate(round);
      this.#turn = new Stretch();
    };
    this.#immediate(() => {
      this.#turn = new Stretch();
      this.#immediate(round);
    });
  }

  /** Does the process' own work, in which each `call` is measured by itself. */
  apart(work: () => void): void {
    this.#apart = new Stretch();
    work();
    this.#turn.leftOut += this.#apart.end().cost();
    this.#apart = null;
  }

  /** Calls what is measured from within `apart`. */
  call<T>(work: () => T): T {
    const stretch = new Stretch();
    const result = work();
    note(this.#calls, stretch.end());
    return result;
  }

  /** Ends measuring. `withPauses`: what turns cost with the pauses of the garbage collector, whoever caused them. */
  stop(): { turns: Costs; calls: Costs; withPauses: Costs } {
    this.#going = false;
    this.#pauses.push(...this.#observer.takeRecords());
    this.#observer.disconnect();
    return {
      turns: summarise(this.#turns, this.#pauses),
      calls: summarise(this.#calls, this.#pauses),
      withPauses: summarise(this.#turns),
    };
  }
}

function note(stretches: Stretch[], stretch: Stretch): void {
  if (stretch.cpu - stretch.leftOut > LEAST_US) stretches.push(stretch);
}

function summarise(stretches: readonly Stretch[], pauses?: readonly PerformanceEntry[]): Costs {
  const costs = stretches.map((stretch) => stretch.cost(pauses)).sort((a, b) => a - b);
  const at = (part: number): number => (costs[Math.min(costs.length - 1, Math.floor(costs.length * part))] ?? 0) / 1000;
  return { count: costs.length, p99: at(0.99), max: at(1) };
}
