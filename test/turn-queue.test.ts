import { describe, expect, it } from "vitest";
import { TurnQueue } from "../src/turn-queue.js";

/** A queue whose turns the test takes. */
function open() {
  const turns: (() => void)[] = [];
  const queue = new TurnQueue((work) => turns.push(work));
  const done: string[] = [];
  const add = (name: string, weight = 0, then = () => {}) =>
    queue.add(() => {
      done.push(name);
      then();
      return weight;
    });
  return { queue, turns, done, add, turn: () => turns.shift()?.() };
}

describe("the turn queue", () => {
  it("does at the end of a turn what was added in it, in its order", () => {
    const { add, done, turns, turn } = open();
    add("one");
    add("two");
    expect(done).toEqual([]);
    expect(turns).toHaveLength(1);
    turn();
    expect(done).toEqual(["one", "two"]);
    expect(turns).toHaveLength(0);
  });

  it("leaves to the next turn what one turn cannot take", () => {
    const { add, done, turn } = open();
    for (const name of ["one", "two", "three"]) add(name, 200_000);
    turn();
    expect(done).toEqual(["one"]);
    turn();
    turn();
    expect(done).toEqual(["one", "two", "three"]);
  });

  it("takes no more than a hundred things that weigh nothing in one turn", () => {
    const { add, done, turn } = open();
    for (let i = 0; i < 1000; i++) add(`${i}`);
    turn();
    expect(done.length).toBeLessThan(100);
  });

  it("does once what was added twice, and again what is added while it is done", () => {
    const { queue, turns, turn } = open();
    let done = 0;
    const work = (): number => {
      done += 1;
      if (done < 3) queue.add(work);
      return 40_000;
    };
    queue.add(work);
    queue.add(work);
    turn();
    expect(done).toBe(2);
    turn();
    expect(done).toBe(3);
    expect(turns).toHaveLength(0);
  });
});
