import { describe, expect, it } from "vitest";
import { createPollState, type PollPart, type PollStateOptions } from "../src/client/poll-state.js";
import type { ClientError } from "../src/client/request.js";
import type { Gap, Reset } from "../src/protocol.js";
import { answer, entries, entry, runState } from "./support/poll-answer.js";

/** A state with what it said. Lines are told by their index. */
function viewer(options: PollStateOptions = {}) {
  const told: [name: string, value: unknown][] = [];
  let finished = 0;
  let deaf = false;
  const state = createPollState(
    { random: () => 0, ...options },
    (name, value) => {
      if (deaf) return false;
      told.push([name, name === "onLog" ? (value as { index: number }).index : value]);
      return true;
    },
    () => {
      finished += 1;
    },
  );
  return {
    state,
    told,
    of: (...names: string[]) => told.filter(([name]) => names.includes(name)),
    indexes: () => told.filter(([name]) => name === "onLog").map(([, index]) => index),
    finished: () => finished,
    deafen: (yes: boolean) => {
      deaf = yes;
    },
    /** Whether taking it was refused: ask again. */
    refuses: (part: PollPart) => {
      try {
        state.take(part);
        return false;
      } catch {
        return true;
      }
    },
  };
}

function failure(status: number, retryAfterMs = 0): ClientError {
  return Object.assign(new Error(), { code: `HTTP_${status}`, status, fatal: false, retryAfterMs });
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
const gapOf = (from: number, to: number, reason: Gap["reason"] = "trimmed"): Gap => ({
  from,
  to,
  lost: to - from + 1,
  reason,
});
const RESET: Reset = { reason: "epoch", first_index: 0 };

describe("where a viewer begins", () => {
  it.each<[string, PollStateOptions, string]>([
    ["at the first line", {}, "since=0"],
    ["at an index", { since: 7 }, "since=7"],
    ["at the newest lines", { tail: 20 }, "tail=20"],
    ["where a cursor says", { cursor: "aaaa.5.2", since: 7 }, "cursor=aaaa.5.2"],
    ["where a cursor says that has to be escaped", { cursor: "a&b" }, "cursor=a%26b"],
  ])("%s", (_, options, query) => {
    expect(viewer(options).state.query).toBe(query);
  });

  it("goes on by the server's cursor, whole", () => {
    const { state } = viewer();
    state.take(answer(0, 3, { cursor: "aaaa.3.88" }));
    expect(state.query).toBe("cursor=aaaa.3.88");
    expect(state.cursor).toBe("aaaa.3.88");
  });

  it("keeps its cursor through a frame that has none", () => {
    const { state } = viewer();
    state.take(answer(0, 3));
    state.take(runState());
    expect(state.query).toBe("cursor=aaaa.3.1");
  });

  it("takes any first line when it asked for the newest ones, and is strict from there", () => {
    const v = viewer({ tail: 2 });
    v.state.take(answer(40, 42));
    expect(v.refuses(answer(43, 44))).toBe(true);
    v.state.take(answer(42, 44));
    expect(v.indexes()).toEqual([40, 41, 42, 43]);
  });

  it("knows its position after an empty answer for the newest lines", () => {
    const v = viewer({ tail: 2 });
    v.state.take(answer(9, 9));
    expect(v.refuses(answer(10, 11))).toBe(true);
  });

  it("notices lines that are missing right after a cursor that it was given", () => {
    expect(viewer({ cursor: "aaaa.5.2" }).refuses(answer(6, 8))).toBe(true);
  });
});

describe("every line once and in order", () => {
  it("drops lines that it has", () => {
    const v = viewer();
    v.state.take(answer(0, 5));
    v.state.take(answer(3, 8));
    v.state.take(answer(0, 4));
    expect(v.indexes()).toEqual(upTo(8));
  });

  it("asks again by the same cursor when lines are missing in a page, and emits nothing beyond them", () => {
    const v = viewer();
    v.state.take(answer(0, 2));
    const { query } = v.state;
    expect(v.refuses({ ...answer(2, 6), logs: [entry(2), entry(4), entry(5)] })).toBe(true);
    expect(v.indexes()).toEqual([0, 1, 2]);
    expect(v.state.query).toBe(query);
    v.state.take(answer(2, 6));
    expect(v.indexes()).toEqual(upTo(6));
    expect(v.of("onGap")).toEqual([]);
  });

  it("asks again when the position says more than the lines", () => {
    const v = viewer();
    expect(v.refuses(answer(0, 5, { next_index: 8, cursor: "aaaa.8.1" }))).toBe(true);
    expect(v.state.query).toBe("since=5");
  });

  it("announces lines as lost that are missing the second time, too", () => {
    const v = viewer();
    expect(v.refuses(answer(3, 6))).toBe(true);
    v.state.take(answer(3, 6));
    expect(v.told.slice(0, 2)).toEqual([
      ["onGap", gapOf(0, 2, "lost")],
      ["onLog", 3],
    ]);
    expect(v.indexes()).toEqual([3, 4, 5]);
  });

  it("stays exact whatever pages, repeats and stale answers come", () => {
    let seed = 1;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed % below;
    };
    const v = viewer();
    const give = (from: number, to: number) =>
      v.refuses({ logs: entries(from, to), cursor: `aaaa.${to}`, next_index: to });
    for (let turn = 0; turn < 4000; turn += 1) {
      const from = random(1000);
      give(from, Math.min(1000, from + random(40)));
      const position = Number(/\d+$/.exec(v.state.query)?.[0]);
      give(position, Math.min(1000, position + 3));
    }
    expect(v.indexes()).toEqual(upTo(1000));
    expect(v.of("onGap")).toEqual([]);
  });

  it("says nothing and skips nothing while nobody listens", () => {
    const v = viewer();
    v.state.take(answer(0, 2));
    v.deafen(true);
    v.refuses(answer(2, 5, { status: "completed", expected_log_count: 5, gap: null }));
    v.deafen(false);
    expect(v.state.query).toBe("cursor=aaaa.2.1");
    v.state.take(answer(2, 5));
    expect(v.indexes()).toEqual(upTo(5));
  });
});

describe("gaps and resets", () => {
  it("announces a gap before the lines behind it", () => {
    const v = viewer();
    v.state.take(answer(43, 45, { first_index: 43, gap: gapOf(0, 42) }));
    expect(v.told.slice(0, 3)).toEqual([
      ["onGap", gapOf(0, 42)],
      ["onLog", 43],
      ["onLog", 44],
    ]);
  });

  it("announces a gap once", () => {
    const v = viewer();
    v.state.take(answer(3, 5, { gap: gapOf(0, 2) }));
    v.state.take(answer(3, 6, { gap: gapOf(0, 2) }));
    expect(v.of("onGap")).toHaveLength(1);
    expect(v.indexes()).toEqual([3, 4, 5]);
  });

  it("asks again when a gap begins behind lines that are missing", () => {
    const v = viewer();
    expect(v.refuses(answer(9, 10, { gap: gapOf(4, 8) }))).toBe(true);
    expect(v.told).toEqual([]);
  });

  it("begins anew after a reset, with lines and state", () => {
    const v = viewer();
    v.state.take(answer(0, 5));
    const before = v.told.length;
    v.state.take(answer(0, 2, { reset: RESET }, "bbbb"));
    expect(v.told.slice(before).map(([name]) => name)).toEqual([
      "onReset",
      "onLog",
      "onLog",
      "onStatus",
      "onLayerStatus",
      "onBackendStats",
      "onOwner",
    ]);
    expect(v.state.query).toBe("cursor=bbbb.2.1");
  });

  it("begins at the first index of the reset", () => {
    const v = viewer();
    v.state.take(answer(0, 5));
    expect(v.refuses(answer(3, 4, { reset: RESET }, "bbbb"))).toBe(true);
    v.state.take(answer(2, 4, { reset: { reason: "ahead", first_index: 2 } }, "bbbb"));
    expect(v.indexes()).toEqual([0, 1, 2, 3, 4, 2, 3]);
  });

  it("never takes lines of another epoch without a reset", () => {
    const v = viewer();
    v.state.take(answer(0, 5));
    const before = v.told.length;
    expect(v.refuses(answer(5, 9, {}, "bbbb"))).toBe(true);
    expect(v.refuses(answer(5, 9, {}, "bbbb"))).toBe(true);
    expect(v.told).toHaveLength(before);
    expect(v.state.query).toBe("cursor=aaaa.5.1");
  });
});

describe("the end", () => {
  it("waits for the lines that are missing when the status is terminal already", () => {
    const v = viewer();
    v.state.take(answer(0, 8, { status: "completed", expected_log_count: 10, total_count: 10 }));
    v.state.take(answer(8, 8, { status: "completed", expected_log_count: 10, total_count: 10 }));
    expect(v.finished()).toBe(0);
    expect(v.of("onComplete")).toEqual([]);
    v.state.take(answer(8, 10, { status: "completed", expected_log_count: 10 }));
    expect(v.finished()).toBe(1);
    expect(v.indexes()).toEqual(upTo(10));
    expect(v.told.at(-1)?.[0]).toBe("onComplete");
  });

  it("counts all lines where an older server expects no number", () => {
    const v = viewer();
    v.state.take(answer(0, 3, { status: "failed", total_count: 4 }));
    expect(v.finished()).toBe(0);
    v.state.take(answer(3, 4, { status: "failed" }));
    expect(v.finished()).toBe(1);
  });

  it("comes for a late viewer that can only have the newest lines", () => {
    const v = viewer();
    const gap = gapOf(0, 499);
    v.state.take(answer(500, 1500, { gap, status: "completed", expected_log_count: 1500 }));
    expect(v.indexes()).toHaveLength(1000);
    expect(v.finished()).toBe(1);
  });

  it.each(["queued", "running"] as const)("does not come while the run is %s", (status) => {
    const v = viewer();
    v.state.take(answer(0, 4, { status, expected_log_count: 4 }));
    expect(v.finished()).toBe(0);
  });

  it.each(["completed", "failed", "cancelled"] as const)("comes with the final state when the run is %s", (status) => {
    const v = viewer();
    const error = { error: "out of memory", error_code: "OOM" };
    v.state.take(answer(0, 4, { status, expected_log_count: 4, ...error }));
    expect(v.of("onComplete")[0]?.[1]).toMatchObject({ status, ...error });
  });

  it("comes with the last frame of a stream", () => {
    const v = viewer();
    v.state.take({ logs: [entry(0)], cursor: "aaaa.1", next_index: 1 });
    expect(v.finished()).toBe(0);
    v.state.take({ ...runState({ status: "completed", expected_log_count: 1 }), cursor: "aaaa.1.9", next_index: 1 });
    expect(v.finished()).toBe(1);
    expect(v.state.cursor).toBe("aaaa.1.9");
  });

  it("does not come with a last frame that says more than was seen", () => {
    const v = viewer();
    const end = { ...runState({ status: "completed", expected_log_count: 3 }), cursor: "aaaa.3.9", next_index: 3 };
    expect(v.refuses(end)).toBe(true);
    expect(v.finished()).toBe(0);
    expect(v.state.query).toBe("since=0");
  });
});

describe("state", () => {
  it("is told when it changes, and only what changed", () => {
    const v = viewer();
    v.state.take(answer(0, 0));
    expect(v.told.map(([name]) => name)).toEqual(["onStatus", "onLayerStatus", "onBackendStats", "onOwner"]);
    v.state.take(answer(0, 0));
    expect(v.told).toHaveLength(4);
    const layer_status = { fetch: { status: "running", order: 0 } } as const;
    v.state.take(answer(0, 0, { layer_status, cursor: "aaaa.0.2" }));
    expect(v.told.slice(4)).toEqual([["onLayerStatus", layer_status]]);
  });

  it("is told after the lines of the same answer", () => {
    const v = viewer();
    v.state.take(answer(0, 1));
    expect(v.told.slice(0, 2)).toEqual([
      ["onLog", 0],
      ["onStatus", "running"],
    ]);
  });
});

describe("pace", () => {
  it.each<[string, number, number, number, number]>([
    ["at once while lines are waiting", 0, 50, 1, 0],
    ["after the floor when a held poll brought something", 20_000, 0, 1, 200],
    ["after the floor when a held poll ran its time", 20_000, 0, 20_000, 200],
    ["at the server's pace when it does not know how to wait", 20_000, 0, 5, 1000],
    ["at the server's pace when the poll was not to be held", 0, 0, 5, 1000],
  ])("%s", (title, waitMs, waiting, tookMs, delay) => {
    const { state } = viewer();
    state.take(answer(0, 5));
    const brings = waiting > 0 || title.includes("brought") ? 6 : 5;
    expect(state.answer(answer(5, brings, { total_count: brings + waiting }), waitMs, tookMs)).toBe(delay);
  });

  it("is not at once when lines are said to wait and none come", () => {
    const { state } = viewer();
    state.take(answer(0, 5));
    expect(state.answer(answer(5, 5, { total_count: 9 }), 0, 1)).toBe(1000);
  });

  it("never goes below the floor", () => {
    const { state } = viewer({ pollInterval: 300 });
    expect(state.answer(answer(0, 5, { next_poll_ms: 10 }), 0, 1)).toBe(300);
  });

  it("keeps the floor with an older server that has no pace", () => {
    const { next_poll_ms, ...older } = answer(0, 5);
    expect(viewer().state.answer(older as typeof older & { next_poll_ms: number }, 0, 1)).toBe(200);
  });

  it("treats an answer that is none as a failure, and takes nothing of it", () => {
    const v = viewer();
    expect(() => v.state.answer({ status: "ok" } as never, 0, 1)).toThrow();
    expect(v.told).toEqual([]);
  });
});

describe("failures", () => {
  it.each([0, 408, 425, 429, 500, 502, 503, 504])("asks again after a status %i, telling once", (status) => {
    const v = viewer();
    v.state.fail(failure(status), 0);
    v.state.fail(failure(status), 500);
    expect(v.finished()).toBe(0);
    expect(v.of("onError").map(([, error]) => (error as ClientError).fatal)).toEqual([false]);
    v.state.take(answer(0, 1));
    v.state.fail(failure(status), 900);
    expect(v.of("onError")).toHaveLength(2);
  });

  it.each([400, 401, 403, 405, 410])("gives up on a status %i", (status) => {
    const v = viewer();
    v.state.fail(failure(503), 0);
    v.state.fail(failure(status), 300);
    expect(v.finished()).toBe(1);
    expect(v.of("onError").map(([, error]) => (error as ClientError).fatal)).toEqual([false, true]);
  });

  it("waits 0.2 to 10 s, longer each time, with jitter", () => {
    const [shortest, longest] = [viewer({ random: () => 0 }), viewer({ random: () => 1 })];
    const series = (v: typeof shortest) => upTo(9).map(() => v.state.fail(failure(503), 0));
    expect(series(shortest)).toEqual(Array(9).fill(200));
    expect(series(longest)).toEqual([400, 600, 1000, 1800, 3400, 6600, 10_000, 10_000, 10_000]);
    longest.state.take(answer(0, 1));
    expect(longest.state.fail(failure(503), 0)).toBe(400);
  });

  it("does not come back before Retry-After", () => {
    expect(viewer().state.fail(failure(429, 7000), 0)).toBe(7200);
  });

  it("tells of a failure that comes after answers about a missing run, once", () => {
    const v = viewer();
    v.state.fail(failure(404), 0);
    v.state.fail(failure(503), 300);
    v.state.fail(failure(404), 600);
    v.state.fail(failure(503), 900);
    expect(v.of("onError")).toMatchObject([["onError", { status: 503, fatal: false }]]);
  });

  it("begins a new series when it is asked for again after giving up", () => {
    const v = viewer({ random: () => 1 });
    v.state.fail(failure(503), 0);
    v.state.fail(failure(403), 300);
    expect(v.state.fail(failure(503), 9000)).toBe(400);
    expect(v.of("onError").map(([, error]) => (error as ClientError).status)).toEqual([503, 403, 503]);
  });

  it("gives a run that was never seen 10 s to appear, without a word", () => {
    const v = viewer();
    v.state.fail(failure(404), 1000);
    v.state.fail(failure(404), 10_999);
    expect(v.told).toEqual([]);
    v.state.fail(failure(404), 11_000);
    expect(v.finished()).toBe(1);
    expect(v.of("onError")[0]?.[1]).toMatchObject({ status: 404, fatal: true });
  });

  it("gives a run that was seen 60 s to come back", () => {
    const v = viewer();
    v.state.fail(failure(404), 0);
    v.state.take(answer(0, 1));
    v.state.fail(failure(404), 9000);
    v.state.fail(failure(404), 68_999);
    expect(v.finished()).toBe(0);
    v.state.fail(failure(404), 69_000);
    expect(v.finished()).toBe(1);
  });

  it("gives a missing run time again when it is asked for again after giving up", () => {
    const v = viewer();
    v.state.fail(failure(404), 0);
    v.state.fail(failure(404), 10_000);
    v.state.fail(failure(404), 90_000);
    expect(v.finished()).toBe(1);
  });

  it("does not count the time of an outage as time in which the run was missing", () => {
    const v = viewer();
    v.state.fail(failure(503), 0);
    v.state.fail(failure(404), 50_000);
    expect(v.finished()).toBe(0);
  });

  it("begins anew when its cursor is refused", () => {
    const v = viewer({ cursor: "rubbish" });
    v.state.fail(failure(400), 0);
    expect(v.told).toEqual([["onReset", { reason: "cursor", first_index: 0 }]]);
    expect(v.state.query).toBe("since=0");
    expect(v.finished()).toBe(0);
    v.state.fail(failure(400), 300);
    expect(v.finished()).toBe(1);
  });
});
