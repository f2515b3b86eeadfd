import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { HOSTILE_TEXTS } from "./fixtures/hostile-text.js";
import { type LineListPage, openLineListPage } from "./support/line-list-page.js";

const PATIENCE = { timeout: 60_000, interval: 20 };
vi.setConfig({ testTimeout: 120_000 });

let tab: LineListPage;

beforeAll(async () => {
  tab = await openLineListPage();
});
afterAll(() => tab?.close());
beforeEach(() => tab.run(({ renew }) => renew()));
afterEach(() => expect(tab.faults).toEqual([]));

/** Appends lines of mixed heights: text, colours, several lines, 2 to 16 KiB, tracebacks. */
const appendMixed = (count: number, from = 0): Promise<void> =>
  tab.run(
    ({ list, entry }, { count, from }) => {
      const long = "0123456789abcdef ".repeat(960);
      const texts = [
        (i: number) => `line ${i}`,
        (i: number) => `\u001b[32m✓\u001b[0m built \u001b[1;38;5;208mfile ${i}\u001b[0m in 12 ms`,
        (i: number) => `first of ${i}\nsecond\nthird`,
        (i: number) => `${i} ${long.slice(0, 200 + (i % 7) * 100)}`,
      ];
      const entries = Array.from({ length: count }, (_, at) => {
        const i = from + at;
        const text = i % 500 === 0 ? `${i} ${long}` : (texts[i % texts.length]?.(i) ?? "");
        return entry(i, text, i % 50 === 49 ? { level: "error", traceback: "Traceback:\n  a\n  b\nError: x" } : {});
      });
      list.append(entries);
    },
    { count, from },
  );

const told = () => tab.run(({ told }) => told);

/** What is in sight, from the top. */
const inSight = () =>
  tab.run(({ list, rows }) => {
    const { top, bottom } = list.element.getBoundingClientRect();
    return rows()
      .filter((row) => row.getBoundingClientRect().bottom > top && row.getBoundingClientRect().top < bottom)
      .map((row) => row.dataset.index ?? row.textContent);
  });

/** How far down a row is, in pixels. */
const placeOf = (index: number) =>
  tab.run(({ rows }, index) => {
    const row = rows().find(({ dataset }) => dataset.index === String(index));
    return Math.round(row?.getBoundingClientRect().top ?? Number.NaN);
  }, index);

const rowCount = () => tab.run(({ rows }) => rows().length);

/** Scrolls as a user does, and waits until the list has drawn it. */
const scrollTo = (top: number) =>
  tab.run(({ list }, top) => {
    list.element.scrollTop = top;
  }, top);

const scrollTop = () => tab.run(({ list }) => list.element.scrollTop);

describe("a list that follows", () => {
  it("shows the newest lines, and has nodes for what is near them only", async () => {
    await appendMixed(5000);
    expect((await inSight()).at(-1)).toBe("4999");
    await appendMixed(100, 5000);
    expect((await inSight()).at(-1)).toBe("5099");
    expect(await rowCount()).toBeLessThan(100);
    expect(await told()).toMatchObject({ following: true, unseen: 0 });
  });

  it("lets go when it is scrolled up: what is in sight stays, and the lines that come are counted", async () => {
    await appendMixed(1000);
    await scrollTo((await scrollTop()) - 500);
    const before = await inSight();
    await appendMixed(30, 1000);
    await appendMixed(12, 1030);
    expect(await inSight()).toEqual(before);
    expect(await told()).toMatchObject({ following: false, unseen: 42 });
  });

  it("sticks to the end again when it is scrolled there, or told to", async () => {
    await appendMixed(1000);
    await scrollTo(0);
    expect(await told()).toMatchObject({ following: false });
    await scrollTo(1e9);
    expect(await told()).toMatchObject({ following: true, unseen: 0 });
    await tab.run(({ list }) => list.follow(false));
    await appendMixed(7, 1000);
    expect(await told()).toMatchObject({ following: false, unseen: 7 });
    await tab.run(({ list }) => list.follow(true));
    expect((await inSight()).at(-1)).toBe("1006");
    expect(await told()).toMatchObject({ following: true, unseen: 0 });
  });

  it("lets go under the wheel as well", async () => {
    await appendMixed(1000);
    await tab.page.mouse.move(300, 300);
    await vi.waitFor(async () => {
      await tab.page.mouse.wheel(0, -200);
      expect((await told()).following).toBe(false);
    }, PATIENCE);
  });
});

describe("rows of different heights", () => {
  it("leave no hole and are in order, wherever it is scrolled to", async () => {
    await appendMixed(3000);
    for (const share of [0.9, 0.1, 0.5, 0.51, 0.47, 0.02, 0, 0.99, 1]) {
      await tab.run(({ list }, share) => {
        list.element.scrollTop = list.element.scrollHeight * share;
      }, share);
      const seen = await tab.run(({ list, rows }) => {
        const boxes = rows().map((row) => row.getBoundingClientRect());
        return {
          indexes: rows().map((row) => Number(row.dataset.index)),
          top: boxes[0]?.top ?? 0,
          bottom: boxes.at(-1)?.bottom ?? 0,
          high: list.element.clientHeight,
        };
      });
      expect(seen.top).toBeLessThanOrEqual(0);
      expect(seen.bottom).toBeGreaterThanOrEqual(seen.high - 1);
      const [first = 0] = seen.indexes;
      expect(seen.indexes).toEqual(seen.indexes.map((_, at) => first + at));
      expect(seen.indexes.length).toBeLessThan(100);
    }
  });

  it("do not move what is in sight when those above turn out to be higher or lower than was thought", async () => {
    await appendMixed(3000);
    await tab.run(({ list }) => list.jumpToLine(1502));
    expect(await placeOf(1502)).toBeGreaterThan(200);
    for (let turn = 0; turn < 10; turn++) {
      const before = await placeOf(1502);
      await scrollTo((await scrollTop()) - 20);
      expect(await placeOf(1502)).toBe(before + 20);
    }
  });

  it("are measured anew when the window or the wrapping changes, and the line that was gone to stays in its place", async () => {
    await appendMixed(2000);
    await tab.run(({ list }) => list.jumpToLine(1003));
    const place = await placeOf(1003);
    const high = () => tab.run(({ list }) => list.element.scrollHeight);
    const wide = await high();
    await tab.page.setViewportSize({ width: 400, height: 600 });
    await vi.waitFor(async () => expect(await high()).toBeGreaterThan(wide * 1.5), PATIENCE);
    expect(await placeOf(1003)).toBe(place);
    await tab.page.setViewportSize({ width: 1000, height: 600 });
    await vi.waitFor(async () => expect(await high()).toBeLessThan(wide * 1.2), PATIENCE);
    await tab.run(({ list }) => list.setWrap(false));
    expect(await high()).toBeLessThan(wide);
    expect(await placeOf(1003)).toBe(place);
  });
});

describe("lines that are no longer kept", () => {
  it("make room from the oldest on, under a row that says how many", async () => {
    await tab.run(({ renew }) => renew(1000));
    await appendMixed(5000);
    await scrollTo(0);
    const [note, first] = await inSight();
    expect(note).toMatch(/^4,\d{3} earlier lines are not kept$/);
    expect(first).toBe(note?.match(/[\d,]+/)?.[0].replace(",", ""));
    expect(await tab.run(({ list }) => list.facets[0]?.get("info"))).toBeLessThanOrEqual(1000);
    expect(await tab.run(({ list }) => [list.jumpToLine(3), list.jumpToLine(4999)])).toEqual([false, true]);
  });

  it("go without moving what is in sight", async () => {
    await tab.run(({ renew }) => renew(1000));
    await appendMixed(1000);
    await tab.run(({ list }) => list.jumpToLine(900));
    const before = await inSight();
    await appendMixed(300, 1000);
    expect(await inSight()).toEqual(before);
  });
});

describe("a gap", () => {
  it("is a row between the lines before and after it", async () => {
    await tab.run(({ list, entry }) => {
      list.append([entry(0), entry(1)]);
      list.gap({ from: 2, to: 501, lost: 500, reason: "trimmed" });
      list.append([entry(502)]);
      list.gap({ from: 503, to: 503, lost: 1, reason: "lost" });
    });
    expect(await inSight()).toEqual(["0", "1", "500 earlier lines are not kept", "502", "1 earlier line is lost"]);
  });
});

describe("a reset", () => {
  it("clears the list, with a row that says so, and numbers anew", async () => {
    await appendMixed(1000);
    await tab.run(({ list }) => {
      list.search("line");
      list.select({ from: 3, to: 5 });
    });
    await tab.run(({ list, entry }) => {
      list.reset();
      list.append([entry(0, "a line"), entry(1, "b")]);
    });
    expect(await inSight()).toEqual(["The log began anew", "0", "1"]);
    expect(await told()).toMatchObject({ following: true, unseen: 0, search: { count: 1 } });
    expect(await tab.run(({ list }) => [...(list.facets[0] ?? [])])).toEqual([["info", 2]]);
    expect(await tab.run(({ list }) => list.copyText())).toContain("began anew");
  });
});

describe("a pause", () => {
  it("moves nothing and counts what comes, and the end of it shows everything", async () => {
    await appendMixed(500);
    await tab.run(({ list }) => list.pause(true));
    const before = await inSight();
    await appendMixed(250, 500);
    expect(await inSight()).toEqual(before);
    expect(await told()).toMatchObject({ following: false, unseen: 250 });
    expect(await tab.run(({ list }) => list.jumpToLine(600))).toBe(false);
    await tab.run(({ list }) => list.pause(false));
    expect((await inSight()).at(-1)).toBe("749");
    expect(await told()).toMatchObject({ following: true, unseen: 0 });
  });
});

describe("a search", () => {
  it("goes through 100,000 lines while frames are drawn, and from match to match", async () => {
    await appendMixed(100_000);
    await tab.run(({ list }) => list.search("FILE 9"));
    // Of 4 lines, the second says its number: 9, 93, 97, 9xx and so on.
    const count = Array.from({ length: 100_000 }, (_, i) => i).filter(
      (i) => i % 4 === 1 && i % 500 !== 0 && String(i).startsWith("9"),
    ).length;
    await vi.waitFor(async () => expect((await told()).search.count).toBe(count), PATIENCE);
    await tab.run(({ list }) => list.jumpToLine(0));
    const current = () =>
      tab.run(({ rows }) => rows().find(({ classList }) => classList.contains("current"))?.dataset.index);
    await tab.run(({ list }) => list.next());
    const position = (await told()).search.current;
    const index = Number(await current());
    await tab.run(({ list }) => list.next());
    expect(Number(await current())).toBe(index === 99_997 ? 9 : index + 4);
    await tab.run(({ list }) => list.previous());
    expect([Number(await current()), (await told()).search]).toEqual([
      index,
      { query: "FILE 9", current: position, count },
    ]);
    expect(
      await tab.run(({ rows }) => [
        ...new Set(rows().flatMap((row) => [...row.querySelectorAll("mark")].map(({ textContent }) => textContent))),
      ]),
    ).toEqual(["file 9"]);
  });

  it("marks a match that begins in one colour and ends in another", async () => {
    await tab.run(({ list, entry }) => {
      list.append([entry(0, "a fa\u001b[31mil\u001b[1med\u001b[0m test")]);
      list.search("failed t");
    });
    const marks = await tab.run(({ rows }) =>
      [...(rows()[0]?.querySelectorAll("mark") ?? [])].map(({ textContent }) => textContent),
    );
    expect(marks).toEqual(["fa", "il", "ed", " t"]);
    await tab.run(({ list }) => list.search(""));
    expect(await tab.run(({ rows }) => rows()[0]?.querySelectorAll("mark").length)).toBe(0);
    expect((await told()).search).toEqual({ query: "", current: 0, count: 0 });
  });

  it("stays where it is when the first match is in sight, and counts the matches that come", async () => {
    await appendMixed(200);
    await tab.run(({ list }) => list.search("line 196"));
    expect(await told()).toMatchObject({ following: true, search: { current: 1, count: 1 } });
    await tab.run(({ list, entry }) => list.append([entry(200, "another line 196")]));
    expect(await told()).toMatchObject({ search: { current: 1, count: 2 } });
  });

  it("finds what stands in the folded fields of a line, opens them and marks it", async () => {
    await appendMixed(1000);
    await tab.run(({ list, entry }) => {
      list.append([entry(1000, "scored", { model: "sonnet", metadata: { title: "a needle here" } }), entry(1001)]);
      list.search("NEEDLE");
    });
    expect((await told()).search).toMatchObject({ current: 1, count: 1 });
    const fields = tab.page.locator('.line:has([href="#L1000"]) .fields');
    await fields.locator("mark", { hasText: "needle" }).waitFor({ state: "visible" });
    await tab.run(({ list }) => list.search("sonnet"));
    await fields.locator("mark", { hasText: "sonnet" }).waitFor({ state: "visible" });
    expect(await fields.locator("mark").count()).toBe(1);
  });

  it("finds what stands in a folded traceback, and opens it", async () => {
    await appendMixed(1000);
    await tab.run(({ list, entry }) => {
      list.append([entry(1000, "failed", { traceback: "Traceback\n  at somewhere" }), entry(1001)]);
      list.search("somewhere");
    });
    expect((await told()).search).toMatchObject({ current: 1, count: 1 });
    expect(await tab.page.locator("mark").isVisible()).toBe(true);
  });
});

describe("a filter", () => {
  it("shows what passes, also of what comes later, and all again without it", async () => {
    await appendMixed(1000);
    await tab.run(({ list }) => list.setFilter([new Set(["error"])]));
    expect((await inSight()).slice(-2)).toEqual(["949", "999"]);
    await appendMixed(100, 1000);
    expect((await inSight()).slice(-2)).toEqual(["1049", "1099"]);
    expect(await tab.run(({ list }) => [list.jumpToLine(1000), list.jumpToLine(949)])).toEqual([false, true]);
    expect(await tab.run(({ list }) => list.copyText().split("\n").length)).toBe(22 * 5);
    await tab.run(({ list }) => list.setFilter([]));
    expect(await tab.run(({ list }) => list.jumpToLine(1000))).toBe(true);
  });

  it("is searched within", async () => {
    await tab.run(({ list, entry }) => {
      list.append([entry(0, "match"), entry(1, "match", { level: "error" })]);
      list.setFilter([new Set(["error"])]);
      list.search("match");
    });
    expect((await told()).search.count).toBe(1);
    await tab.run(({ list }) => list.setFilter([]));
    expect((await told()).search.count).toBe(2);
  });
});

describe("lines that are chosen", () => {
  it("are told of and shown, one by a click and more with Shift, and can be copied", async () => {
    await appendMixed(20, 1);
    await tab.page.locator('a.number:text-is("4")').click();
    expect((await told()).selected).toEqual({ from: 4, to: 4 });
    await tab.page.locator('a.number:text-is("6")').click({ modifiers: ["Shift"] });
    expect((await told()).selected).toEqual({ from: 4, to: 6 });
    const chosen = await tab.run(({ rows }) =>
      rows()
        .filter(({ classList }) => classList.contains("selected"))
        .map(({ dataset }) => dataset.index),
    );
    expect(chosen).toEqual(["4", "5", "6"]);
    expect(await tab.run(({ list }) => list.copyText())).toBe(
      "line 4\n✓ built file 5 in 12 ms\nfirst of 6\nsecond\nthird",
    );
    await tab.run(({ list }) => list.select());
    expect((await told()).selected).toBeUndefined();
    expect(tab.page.url()).not.toContain("#");
  });

  it("are plain text when the user copies what is selected on the page", async () => {
    await appendMixed(3, 1);
    const copied = await tab.run(({ rows }) => {
      getSelection()?.setBaseAndExtent(rows()[0] as Node, 0, rows()[1] as Node, 5);
      return getSelection()?.toString();
    });
    expect(copied?.trim().split(/\n+/)).toEqual(["✓ built file 1 in 12 ms", "first of 2", "second", "third"]);
  });
});

describe("a row", () => {
  it("has its number, time, level, icon, message and cost, in the tone of its backend", async () => {
    await tab.run(({ list, entry }) => {
      const call = { event: "llm_call_complete", cost_usd: 0.05, duration_ms: 1500 };
      list.append([
        entry(0, "first", { level: "warn", truncated: true }),
        entry(1, "grader: complete [claude_cli]", { ...call, backend: "claude_cli" }),
        entry(2, "grader: fallback", { ...call, backend: "langchain", event: "llm_call_fallback" }),
        entry(3, "started", { module: "app.main", error: "ECONNRESET" }),
      ]);
    });
    const texts = await tab.run(({ rows }) =>
      rows().map((row) => [...row.querySelectorAll(":scope > *")].map(({ textContent }) => textContent).join("|")),
    );
    expect(texts).toEqual([
      "0|+00:00.000|warn||first|truncated",
      "1|+00:00.250|info|✦|grader: complete [claude_cli]|$0.05|{4}",
      "2|+00:00.500|info|✦|grader: fallback|langchain$0.05|{4}",
      "3|+00:00.750|info||app.main started ECONNRESET||{2}",
    ]);
    const tones = await tab.run(({ rows }) => rows().map(({ className }) => className.trim()));
    expect(tones).toEqual(["line warn", "line info claude", "line info langchain", "line info"]);
    await tab.run(({ list }) => list.setTime("off"));
    expect(await tab.run(({ rows }) => rows()[1]?.querySelector("time")?.textContent)).toBe("");
    await tab.run(({ list }) => list.setTime("absolute"));
    expect(await tab.run(({ rows }) => rows()[1]?.querySelector("time")?.textContent)).toMatch(/^\d\d:\d\d:00\.250$/);
  });

  it("has no fold for a layer or a stream alone", async () => {
    await tab.run(({ list, entry }) => {
      list.append([entry(0, "a", { layer: "x", stream: "stdout" }), entry(1, "b", { layer: "x", model: "y" })]);
    });
    expect(await tab.run(({ rows }) => rows().map((row) => row.querySelectorAll(".fields").length))).toEqual([0, 1]);
  });

  it("opens its fields as a tree, branch by branch, which is still open after it was out of sight", async () => {
    await appendMixed(400);
    await tab.run(({ list, entry }) => {
      list.append([entry(400, "scored", { metadata: { deep: { list: [1, { last: "value" }] }, "<b>": null } })]);
    });
    await tab.page.locator('.line:has([href="#L400"]) .fields > summary').click();
    for (const name of ["deep", "list", "1"]) {
      await tab.page.locator(`.branch > summary:has(bdi:text-is("${name}"))`).click();
    }
    const text = () => tab.page.locator('.line:has([href="#L400"]) .fields').textContent();
    await vi.waitFor(async () => expect(await text()).toMatch(/deep \(1\)list \(2\).*last value<b> null$/), PATIENCE);
    const open = await text();
    await appendMixed(200, 401);
    await vi.waitFor(async () => expect((await inSight()).at(-1)).toBe("600"), PATIENCE);
    await tab.run(({ list }) => list.jumpToLine(400));
    await vi.waitFor(async () => expect(await text()).toBe(open), PATIENCE);
    // It takes its place: the next row begins where it ends.
    const [end, next] = await tab.run(({ rows }) =>
      ["400", "401"].map((index) =>
        rows()
          .find(({ dataset }) => dataset.index === index)
          ?.getBoundingClientRect(),
      ),
    );
    expect(next?.top).toBe(end?.bottom);
  });

  it("is in sight to its end when it is unfolded as the last one of a list that follows", async () => {
    await appendMixed(100);
    await tab.page.locator('.line:has([href="#L99"]) .traceback > summary').click();
    const ends = () =>
      tab.run(({ list, rows }) => [rows().at(-1)?.getBoundingClientRect().bottom, list.element.clientHeight]);
    await vi.waitFor(async () => {
      const [bottom = 0, edge = 0] = await ends();
      expect(Math.abs(bottom - edge)).toBeLessThanOrEqual(1);
    }, PATIENCE);
    expect(await tab.page.locator('.line:has([href="#L99"]) .trace').isVisible()).toBe(true);
    expect(await told()).toMatchObject({ following: true });
  });

  it("shows text on any ground in black or white, whichever is read more easily", async () => {
    const texts = ["41;97mFAIL", "42;30mPASS", "30;40mhidden", "7minverse", "31;7mred", "48;5;226;93my", "37;47mw"];
    await tab.run(
      ({ list, entry }, texts) => list.append(texts.map((text, index) => entry(index, `\u001b[${text}`))),
      texts,
    );
    for (const colorScheme of ["light", "dark"] as const) {
      await tab.page.emulateMedia({ colorScheme });
      const contrasts = await tab.run(({ rows }) => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
        const luminance = (color: string) => {
          if (canvas === null) return Number.NaN;
          canvas.fillStyle = color;
          canvas.fillRect(0, 0, 1, 1);
          const [red = 0, green = 0, blue = 0] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) =>
            byte > 10 ? ((byte / 255 + 0.055) / 1.055) ** 2.4 : byte / 3294,
          );
          return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        return rows().map((row) => {
          const span = row.querySelector(".message span span");
          const { color, backgroundColor } = getComputedStyle(span ?? row);
          const [dark = 0, light = 0] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b);
          return (light + 0.05) / (dark + 0.05);
        });
      });
      expect(contrasts).toHaveLength(texts.length);
      for (const contrast of contrasts) expect(contrast).toBeGreaterThan(4.5);
    }
    await tab.page.emulateMedia({ colorScheme: null });
  });

  it("links to http and https only, in a window of its own", async () => {
    const link = (href: string) => `\u001b]8;;${href}\u0007text\u001b]8;;\u0007`;
    await tab.run(
      ({ list, entry }, texts) => list.append(texts.map((text, index) => entry(index, text))),
      ["https://a.test/x", "javascript:globalThis.__pwned=1"].map(link),
    );
    const links = await tab.run(({ rows }) =>
      rows().map((row) => [...row.querySelectorAll(".message a")].map((a) => a.outerHTML)),
    );
    expect(links).toEqual([
      [expect.stringMatching(/href="https:\/\/a\.test\/x".*target="_blank" rel="noreferrer"/)],
      [],
    ]);
  });

  it("shows text from right to left from the right, and turns nothing else around", async () => {
    await tab.run(({ list, entry }) => list.append([entry(0, "שלום עולם"), entry(1, "abc \u202etxt.exe")]));
    const [hebrew, turned] = await tab.run(({ rows }) =>
      rows().map((row) => {
        const message = row.querySelector(".message");
        return { direction: message && getComputedStyle(message).direction, text: message?.textContent };
      }),
    );
    expect(hebrew?.direction).toBe("rtl");
    expect(turned).toEqual({ direction: "ltr", text: "abc txt.exe" });
  });
});

describe("the corpus of hostile texts", () => {
  it("is text in every place of a row, and nothing of it runs", async () => {
    await tab.run(
      ({ list, entry }, texts) => {
        list.append(
          texts.map((text, index) =>
            entry(index, text, {
              ...{ event: text, layer: text, backend: text, error: text, module: text, traceback: text, stream: text },
              metadata: { [text]: text, deep: { [text]: [text] } },
            }),
          ),
        );
        for (const text of texts.slice(0, 10)) list.search(text);
        list.gap({ from: texts.length, to: texts.length, lost: 1, reason: "lost" });
      },
      HOSTILE_TEXTS.map(({ text }) => text),
    );
    for (let index = 0; index < HOSTILE_TEXTS.length; index++) {
      await tab.page.evaluate(`list.jumpToLine(${index})`);
      await tab.run(({ rows }, index) => {
        const row = rows().find(({ dataset }) => dataset.index === String(index));
        for (const fold of row?.querySelectorAll("details") ?? []) fold.open = true;
      }, index);
    }
    const names = await tab.run(({ list }) => [
      ...new Set([...list.element.querySelectorAll("*")].map(({ localName }) => localName)),
    ]);
    expect(names.sort()).toEqual(["a", "bdi", "details", "div", "span", "summary", "time"]);
    expect(await tab.run(() => Reflect.get(globalThis, "__pwned") ?? null)).toBeNull();
    expect(tab.faults).toEqual([]);
  });
});

describe("100,000 lines with a search, while 200 a second come", () => {
  it("are drawn with few nodes; frames, long tasks and memory are printed", async () => {
    await appendMixed(100_000);
    await tab.run(({ list }) => list.search("file"));
    await vi.waitFor(async () => expect((await told()).search.count).toBe(25_000), PATIENCE);
    await tab.run(({ list }) => list.follow(true));
    const measured = await tab.run(async ({ list, entry, rows }) => {
      const longTasks: number[] = [];
      const observer = new PerformanceObserver((seen) => {
        longTasks.push(...seen.getEntries().map(({ duration }) => duration));
      });
      observer.observe({ type: "longtask" });
      const frame = () => new Promise<number>((next) => requestAnimationFrame(next));
      const frames: number[] = [];
      const long = "0123456789abcdef ".repeat(960);
      let mostRows = 0;
      let index = 100_000;
      const begun = await frame();
      for (let before = begun; frames.length < 300; ) {
        const now = await frame();
        frames.push(now - before);
        before = now;
        const entries = [];
        for (; index < 100_000 + (now - begun) / 5; index++) {
          entries.push(entry(index, index % 40 === 0 ? long : `\u001b[33mfile\u001b[0m ${index}`));
        }
        list.append(entries);
        mostRows = Math.max(mostRows, rows().length);
      }
      observer.disconnect();
      frames.sort((a, b) => a - b);
      const at = (share: number) => Math.round(frames[Math.floor(frames.length * share)] ?? 0);
      const memory: unknown = Reflect.get(performance, "memory");
      const heap = memory instanceof Object ? Number(Reflect.get(memory, "usedJSHeapSize")) : 0;
      return { mostRows, p50: at(0.5), p95: at(0.95), p99: at(0.99), longTasks, heapMiB: Math.round(heap / 2 ** 20) };
    });
    const { mostRows, longTasks, ...frames } = measured;
    console.info("list of lines, 100,000 and 200 a second:", { ...frames, longTasks: longTasks.map(Math.round) });
    expect(mostRows).toBeLessThan(100);
    expect((await told()).following).toBe(true);
  });
});
