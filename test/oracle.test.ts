/** The oracle of the random run is believed because every kind of lie that it is told is found out here. */
import { describe, expect, it } from "vitest";
import type { Gap } from "../src/protocol.js";
import { clockAhead, Oracle, type SeenLine, type Sight, type Verdict } from "./support/oracle.js";

const EPOCH = "aaaaaaaaaaaa";
const OWNER = 1;
const JOINED = 2;

const at = (hour: number): string => new Date(clockAhead(hour).now()).toISOString();
const line = (index: number, name: string, number: number): SeenLine => ({
  ...{ index, message: `${name} ${number} ` },
  timestamp: at(name === "owner" ? OWNER : JOINED),
});
const dropped = (index: number, hour: number, count: number): SeenLine => ({
  ...{ index, message: "", event: "log_gap", dropped: count },
  timestamp: at(hour),
});
const gap = (from: number, to: number): Gap => ({ from, to, lost: to - from + 1, reason: "trimmed" });
const sight = (seen: Sight["seen"], viewer = "viewer", epoch = EPOCH): Sight => ({ viewer, epoch, from: 0, seen });
const owners = (...numbers: number[]): SeenLine[] => numbers.map((number, index) => line(index, "owner", number));

/** An oracle of an owner with so many lines, and the verdict of what was seen in the last epoch. */
function judge(logged: number, sights: Sight[], next: number): Verdict {
  const oracle = new Oracle();
  oracle.add("owner", OWNER).logged = logged;
  return oracle.judge(sights, EPOCH, next);
}

/** The counters that are not 0. */
function told({ lostUnannounced, doubled, outOfOrder, reused }: Verdict): Record<string, number> {
  return Object.fromEntries(
    Object.entries({ lostUnannounced, doubled, outOfOrder, reused }).filter(([, count]) => count > 0),
  );
}

describe("the oracle finds nothing wrong", () => {
  it("when every line is seen once and in order", () => {
    expect(judge(3, [sight(owners(0, 1, 2))], 3)).toMatchObject({ faults: [], rest: 0, lines: 3, epochs: 1 });
  });

  it("when what is missing was announced, to a viewer or by a line", () => {
    const trimmed = judge(4, [sight([gap(0, 1), line(2, "owner", 2), line(3, "owner", 3)])], 4);
    expect(trimmed).toMatchObject({ faults: [], rest: 0 });
    const burst = judge(5, [sight([line(0, "owner", 0), dropped(1, OWNER, 3), line(2, "owner", 4)])], 3);
    expect(burst).toMatchObject({ faults: [], rest: 0, announced: 3 });
  });

  it("when two producers mix, and when an index carries other lines in another epoch", () => {
    const oracle = new Oracle();
    oracle.add("owner", OWNER).logged = 2;
    oracle.add("joined", JOINED).logged = 2;
    const mixed = [line(0, "owner", 0), line(1, "joined", 0), line(2, "joined", 1), line(3, "owner", 1)];
    const before = sight([line(0, "joined", 0)], "viewer", "bbbbbbbbbbbb");
    expect(oracle.judge([before, sight(mixed)], EPOCH, 4)).toMatchObject({ faults: [], rest: 0, epochs: 2 });
  });

  it("when the last lines of one who was killed were never acknowledged", () => {
    const oracle = new Oracle();
    Object.assign(oracle.add("owner", OWNER), { logged: 9, acknowledged: 2, cutOff: true });
    expect(oracle.judge([sight(owners(0, 1))], EPOCH, 2)).toMatchObject({ faults: [], rest: 0, cutOffRest: 7 });
  });
});

describe("the oracle tells", () => {
  it("lines that a viewer was never shown", () => {
    const skipped = judge(4, [sight([line(0, "owner", 0), line(3, "owner", 3)]), sight(owners(0, 1, 2, 3))], 4);
    expect(told(skipped)).toEqual({ lostUnannounced: 2 });
  });

  it("lines that the store never had, though its indexes have no hole", () => {
    expect(told(judge(4, [sight(owners(0, 1, 3))], 3))).toEqual({ lostUnannounced: 1 });
  });

  it("more missing lines than a line announces", () => {
    const seen = [line(0, "owner", 0), dropped(1, OWNER, 2), line(2, "owner", 4)];
    expect(told(judge(5, [sight(seen)], 3))).toEqual({ lostUnannounced: 1 });
  });

  it("a gap whose count is wrong", () => {
    const wrong = { ...gap(0, 4), lost: 3 };
    expect(told(judge(6, [sight([wrong, line(5, "owner", 5)])], 6))).toEqual({ lostUnannounced: 2 });
  });

  it("last lines that are nowhere, as a rest that somebody has to have counted", () => {
    expect(judge(5, [sight(owners(0, 1, 2))], 3)).toMatchObject({ faults: [], rest: 2 });
  });

  it("lines that were acknowledged, and are gone with their process", () => {
    const oracle = new Oracle();
    Object.assign(oracle.add("owner", OWNER), { logged: 9, acknowledged: 5, cutOff: true });
    expect(told(oracle.judge([sight(owners(0, 1))], EPOCH, 2))).toEqual({ lostUnannounced: 3 });
  });

  it("a line that is stored twice", () => {
    expect(told(judge(3, [sight(owners(0, 1, 1, 2))], 4))).toEqual({ doubled: 1 });
  });

  it("a line that a viewer is shown twice", () => {
    const again = sight([...owners(0, 1), line(1, "owner", 1), line(2, "owner", 2)]);
    expect(told(judge(3, [again], 3))).toEqual({ doubled: 1 });
  });

  it("lines of a producer that changed places in the store", () => {
    // Number 1 seems to be missing when 2 is met.
    expect(told(judge(4, [sight(owners(0, 2, 1, 3))], 4))).toEqual({ lostUnannounced: 1, outOfOrder: 1 });
  });

  it("lines that a viewer is shown in another order", () => {
    const back = sight([gap(0, 1), line(2, "owner", 2), line(1, "owner", 1), line(2, "owner", 2)]);
    expect(told(judge(3, [back], 3))).toMatchObject({ outOfOrder: 1 });
  });

  it("lines that are announced as lost and come all the same", () => {
    const seen = [line(0, "owner", 0), dropped(1, OWNER, 2), line(2, "owner", 1), line(3, "owner", 3)];
    expect(told(judge(4, [sight(seen)], 4))).toEqual({ outOfOrder: 1 });
  });

  it("an index that carries two lines", () => {
    const other = sight([line(0, "owner", 0), line(1, "owner", 2)], "another");
    expect(told(judge(3, [sight(owners(0, 1, 2)), other], 3))).toEqual({ reused: 1 });
  });

  it("a line that nobody logged", () => {
    expect(judge(1, [sight([line(0, "owner", 0), line(1, "joined", 0)])], 2).faults).toHaveLength(1);
    expect(judge(1, [sight(owners(0, 1))], 2).faults).toEqual([`owner logged 1 and has 2 in ${EPOCH}.`]);
  });
});
