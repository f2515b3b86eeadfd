/** Lines that say when they were sent. */

export interface StampedLine {
  level: string;
  /** Its number and the moment at which it was sent, in microseconds, come first. */
  message: string;
}

/** The line of this number, sent now. */
export function stampedLine(index: number): StampedLine {
  return { level: "info", message: `${index} ${nowMicros()} fetched the next page of results from the provider` };
}

/** Microseconds of the machine's monotonic clock, which all processes share. */
export function nowMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
