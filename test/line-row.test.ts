import { describe, expect, it } from "vitest";
import { timeText } from "../src/panel/line-row.js";

describe("the time of a line", () => {
  const origin = Date.parse("2026-01-14T10:00:00.000Z");
  const since = (timestamp: string | null) => timeText(timestamp, { time: "relative", origin });

  it.each([
    ["2026-01-14T10:00:00.000Z", "+00:00.000"],
    ["2026-01-14T10:00:09.250Z", "+00:09.250"],
    ["2026-01-14T10:12:34.005Z", "+12:34.005"],
    ["2026-01-14T13:02:03.000Z", "+3:02:03.000"],
    ["2026-01-16T10:00:01.000Z", "+48:00:01.000"],
    ["2026-01-14T09:59:58.500Z", "-00:01.500"],
  ])("is told since the first one: %s is %s", (timestamp, text) => {
    expect(since(timestamp)).toBe(text);
  });

  it("is told by the clock of the user", () => {
    const at = new Date(2026, 0, 14, 9, 5, 7, 42);
    expect(timeText(at.toISOString(), { time: "absolute", origin })).toBe("09:05:07.042");
  });

  it("is not told when it is off, unknown or none", () => {
    expect(timeText("2026-01-14T10:00:00.000Z", { time: "off", origin })).toBe("");
    expect(since(null)).toBe("");
    expect(since("yesterday")).toBe("");
  });
});
