import { describe, expect, it } from "vitest";
import { parameter, readPollAsk } from "../src/query.js";

describe("a parameter", () => {
  it.each([
    ["since=5", "5"],
    ["x=1&since=5&y", "5"],
    ["%73ince=5", "5"],
    ["%73%69%6E%63%65=5", "5"],
    ["a=%zz&%73ince=%35", "5"],
    ["since", ""],
    ["%73ince", ""],
    ["xsince=5", null],
    ["since.=5", null],
    ["Since=5", null],
    ["%zzince=5", null],
    ["x=since", null],
    ["x=%73ince=5", null],
    ["%2573ince=5", null],
    ["", null],
  ])("since of %j is %j", (query, value) => {
    expect(parameter(query, "since")).toBe(value);
  });

  it.each(["since=1&since=1", "since=1&%73ince=1", "%73ince=1&s%69nce=2", "since&since=1"])(
    "is refused when it is there twice, as in %j",
    (query) => {
      expect(() => parameter(query, "since")).toThrow("more than once");
    },
  );
});

it("reads a cursor whose name a proxy has percent-encoded, instead of beginning anew", () => {
  const { from } = readPollAsk("%63ursor=abc.7.1&cu%72sors=x", undefined);
  expect(from).toEqual({ kind: "cursor", text: "abc.7.1", cursor: { epoch: "abc", next: 7, version: 1 } });
});

describe("a query that was read before", () => {
  it("is not read again, whoever came with a Last-Event-ID in between", () => {
    const ask = readPollAsk("cursor=abc.5.2&limit=7", undefined);
    expect(readPollAsk("cursor=abc.5.2&limit=7", "abc.9")).toMatchObject({ limit: 7, from: { text: "abc.9" } });
    expect(readPollAsk("cursor=abc.5.2&limit=7", undefined)).toBe(ask);
    expect(ask).toMatchObject({ limit: 7, from: { text: "abc.5.2" } });
  });

  it("is refused each time if it is malformed", () => {
    for (let i = 0; i < 3; i += 1) expect(() => readPollAsk("limit=0", undefined)).toThrow("limit");
  });

  it("is remembered neither if it is long, nor after many others", () => {
    const long = `since=1&x=${"x".repeat(300)}`;
    expect(readPollAsk(long, undefined)).not.toBe(readPollAsk(long, undefined));
    const ask = readPollAsk("since=12345", undefined);
    for (let i = 0; i < 600; i += 1) readPollAsk(`since=${i}`, undefined);
    expect(readPollAsk("since=12345", undefined)).not.toBe(ask);
  });
});
