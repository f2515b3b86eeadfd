import { describe, expect, it } from "vitest";
import { LivetailError } from "../src/errors.js";
import { Outage } from "../src/outage.js";
import { createHandClock } from "./support/hand-clock.js";

function open() {
  const clock = createHandClock();
  const heard: string[] = [];
  const outage = new Outage(clock.after, ({ code }) => heard.push(code));
  return { clock, heard, outage };
}

const unreachable = new LivetailError("STORE_UNAVAILABLE");
const LONGEST_MS = 2000;

describe("what a process knows of an outage", () => {
  it("is told once, and so is the recovery", () => {
    const { heard, outage } = open();
    const before = outage.mark;
    outage.failed(before, unreachable);
    outage.failed(before, unreachable);
    expect(outage.away).toBe(true);
    const during = outage.mark;
    outage.failed(during, unreachable);
    outage.answered(during, false);
    outage.answered(during, false);
    expect(outage.away).toBe(false);
    expect(heard).toEqual(["STORE_UNAVAILABLE", "STORE_RECOVERED"]);
  });

  it("is not ended by an answer to a call from before, which was only dealt with later", () => {
    const { heard, outage } = open();
    const before = outage.mark;
    outage.failed(before, unreachable);
    outage.answered(before, true);
    expect(outage.away).toBe(true);
    expect(heard).toEqual(["STORE_UNAVAILABLE"]);
  });

  it("is not begun anew by a call of its time that fails after it", () => {
    const { heard, outage } = open();
    outage.failed(outage.mark, unreachable);
    const during = outage.mark;
    outage.answered(during, true);
    outage.failed(during, unreachable);
    expect(outage.away).toBe(false);
    expect(heard).toEqual(["STORE_UNAVAILABLE", "STORE_RECOVERED"]);
  });

  it("lasts while a full store answers only what takes no memory", () => {
    const { outage } = open();
    outage.failed(
      outage.mark,
      new LivetailError("STORE_UNAVAILABLE", "Redis cannot be reached: OOM command not allowed"),
    );
    outage.answered(outage.mark, false);
    expect(outage.away).toBe(true);
    outage.answered(outage.mark, true);
    expect(outage.away).toBe(false);
  });
});

describe("whose turn it is to try again", () => {
  it("is one writer's at a time, under one timer, and everybody's when the store is back", async () => {
    const { clock, outage } = open();
    outage.failed(outage.mark, unreachable);
    const tried: number[] = [];
    for (let writer = 0; writer < 100; writer++) outage.tryLater(1, () => tried.push(writer));
    expect(clock.timers).toBe(1);
    await clock.advance(50);
    expect(tried).toEqual([0]);
    await clock.advance(100);
    expect(tried).toEqual([0, 1]);
    expect(clock.timers).toBe(1);
    outage.answered(outage.mark, false);
    expect(tried).toEqual(Array.from({ length: 100 }, (_, writer) => writer));
    expect(clock.timers).toBe(0);
  });

  it("comes to the next one though the one before asked nothing any more", async () => {
    const { clock, outage } = open();
    outage.failed(outage.mark, unreachable);
    let asked = false;
    outage.tryLater(1, () => {});
    outage.tryLater(1, () => {
      asked = true;
    });
    await clock.advance(LONGEST_MS);
    expect(asked).toBe(true);
  });

  it("is a matter of the caller alone while the store answers", async () => {
    const { clock, outage } = open();
    const tried: number[] = [];
    for (let writer = 0; writer < 3; writer++) outage.tryLater(1, () => tried.push(writer));
    await clock.advance(LONGEST_MS);
    expect(tried.sort()).toEqual([0, 1, 2]);
  });
});
