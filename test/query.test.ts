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
