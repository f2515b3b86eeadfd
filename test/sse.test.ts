import { createParser, type EventSourceMessage } from "eventsource-parser";
import { describe, expect, it } from "vitest";
import { frame, logFrames, PING, RETRY } from "../src/sse.js";

/** What a viewer makes of a text. */
function parse(text: string): { events: EventSourceMessage[]; retries: number[]; comments: string[] } {
  const seen = { events: [] as EventSourceMessage[], retries: [] as number[], comments: [] as string[] };
  const parser = createParser({
    onEvent: (event) => seen.events.push(event),
    onRetry: (ms) => seen.retries.push(ms),
    onComment: (comment) => seen.comments.push(comment),
    onError: (error) => {
      throw error;
    },
  });
  parser.feed(text);
  return seen;
}

describe("a frame", () => {
  it("is one event with its name, its id and its data", () => {
    const { events } = parse(frame("state", "abc.7", '{"status":"running"}'));
    expect(events).toEqual([{ event: "state", id: "abc.7", data: '{"status":"running"}' }]);
  });

  it("leaves an empty id out, so that a viewer keeps the one it has", () => {
    expect(parse(frame("state", "", "{}")).events).toEqual([{ event: "state", id: undefined, data: "{}" }]);
  });

  it("survives every text that JSON can hold", () => {
    const message = "a\nb\r\nc\u2028d\u0000 \ud800 data: x\n\nevent: end";
    const { events } = parse(frame("log", "e.1", JSON.stringify({ message })));
    expect(events).toHaveLength(1);
    expect(JSON.parse(events[0]?.data ?? "")).toEqual({ message });
  });
});

describe("log frames", () => {
  it("are one event per entry, and each id is the position after it", () => {
    const { events } = parse(logFrames("e", 41, ['{"index":41}', '{"index":42}']));
    expect(events).toEqual([
      { event: "log", id: "e.42", data: '{"index":41}' },
      { event: "log", id: "e.43", data: '{"index":42}' },
    ]);
  });

  it("of no entries are nothing", () => {
    expect(logFrames("e", 5, [])).toBe("");
  });
});

describe("what is no event", () => {
  it("says when to come back, and keeps the connection alive", () => {
    expect(parse(RETRY + PING)).toEqual({ events: [], retries: [2000], comments: ["ping"] });
  });
});
