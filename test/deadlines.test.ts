import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Deadlines } from "../src/deadlines.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("deadlines", () => {
  it("come each in its time, under one timer", () => {
    const deadlines = new Deadlines(100);
    const due: number[] = [];
    for (let i = 0; i < 5; i++) {
      deadlines.add(() => due.push(i));
      expect(vi.getTimerCount()).toBe(1);
      vi.advanceTimersByTime(10);
    }
    vi.advanceTimersByTime(55);
    expect(due).toEqual([0]);
    vi.advanceTimersByTime(20);
    expect(due).toEqual([0, 1, 2]);
    vi.advanceTimersByTime(100);
    expect(due).toEqual([0, 1, 2, 3, 4]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leave no timer behind when all are cancelled", () => {
    const deadlines = new Deadlines(100);
    const fail = (): never => {
      throw new Error("It was cancelled.");
    };
    const cancels = [deadlines.add(fail), deadlines.add(fail)];
    for (const cancel of cancels) cancel();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(1000);
    let due = false;
    deadlines.add(() => {
      due = true;
    });
    cancels[0]?.();
    vi.advanceTimersByTime(101);
    expect(due).toBe(true);
  });

  it("turn work that takes too long into a failure, and no other", async () => {
    const deadlines = new Deadlines(100);
    const late = (): Error => new Error("late");
    expect(await deadlines.within(Promise.resolve("in time"), late)).toBe("in time");
    await expect(deadlines.within(Promise.reject(new Error("its own")), late)).rejects.toThrow("its own");
    const never = expect(deadlines.within(new Promise(() => {}), late)).rejects.toThrow("late");
    vi.advanceTimersByTime(101);
    await never;
    expect(vi.getTimerCount()).toBe(0);
  });
});
