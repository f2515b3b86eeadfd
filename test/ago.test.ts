import { expect, it } from "vitest";
import { ago } from "../src/runs/ago.js";

it("says how long ago something was in the largest whole unit", () => {
  const minute = 60_000;
  const times = [-5, 999, 1000, minute - 1, minute, 60 * minute - 1, 60 * minute, 1440 * minute - 1, 2880 * minute];
  expect(times.map(ago)).toEqual([
    "now",
    "now",
    "1s ago",
    "59s ago",
    "1m ago",
    "59m ago",
    "1h ago",
    "23h ago",
    "2d ago",
  ]);
});
