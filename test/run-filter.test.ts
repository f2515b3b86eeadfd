import { expect, it } from "vitest";
import type { RunSummary } from "../src/protocol.js";
import { isFiltering, isShown, type RunFilter } from "../src/runs/run-filter.js";

const ALL: RunFilter = { text: "", status: "", operation: "" };
const RUN = {
  run_id: "op_import_7x",
  status: "running",
  operation: "import",
  subject_id: "Job 42",
  error_code: null,
  error: null,
} as RunSummary;

it("shows everything when nothing is chosen, blanks included", () => {
  expect(isFiltering(ALL)).toBe(false);
  expect(isFiltering({ ...ALL, text: "  " })).toBe(false);
  expect(isShown(RUN, ALL)).toBe(true);
  expect(isShown(RUN, { ...ALL, text: "  " })).toBe(true);
});

it("takes a run that has every word somewhere, in any case", () => {
  for (const text of ["7X", "job 42", "42 import", "runn"]) expect(isShown(RUN, { ...ALL, text }), text).toBe(true);
  for (const text of ["job 43", "importjob", "null"]) expect(isShown(RUN, { ...ALL, text }), text).toBe(false);
  const failed: RunSummary = { ...RUN, status: "failed", error: "Printer on fire", error_code: "PAPER" };
  expect(isShown(failed, { ...ALL, text: "paper fire" })).toBe(true);
  expect(isFiltering({ ...ALL, text: "x" })).toBe(true);
});

it("takes a run by its status, by being open, and by its operation", () => {
  const shown = (filter: Partial<RunFilter>, run: Partial<RunSummary> = {}) =>
    isShown({ ...RUN, ...run }, { ...ALL, ...filter });
  expect(shown({ status: "running" })).toBe(true);
  expect(shown({ status: "queued" })).toBe(false);
  expect(shown({ status: "open" })).toBe(true);
  expect(shown({ status: "open" }, { status: "queued" })).toBe(true);
  expect(shown({ status: "open" }, { status: "cancelled" })).toBe(false);
  expect(shown({ operation: "import" })).toBe(true);
  expect(shown({ operation: "export" })).toBe(false);
  expect(shown({ operation: "import", status: "running", text: "nowhere" })).toBe(false);
  for (const chosen of [{ status: "open" }, { operation: "a" }]) expect(isFiltering({ ...ALL, ...chosen })).toBe(true);
});
