import { describe, expect, it } from "vitest";
import { layerEvent } from "../src/layers.js";
import { StructuredLogger } from "../src/logger.js";
import { capturedIn } from "./support/captured.js";

describe("what a line says of a layer", () => {
  it.each<[Record<string, unknown>, Record<string, unknown>]>([
    [
      { event: "layer_start", layer: "a" },
      { name: "a", status: "running" },
    ],
    [
      { event: "layer_progress", layer: "a", current: 3, total: 9 },
      { status: "running", metadata: { current: 3, total: 9 } },
    ],
    [
      { event: "layer_complete", layer: "a", metadata: { rows: 3 } },
      { status: "success", metadata: { rows: 3 } },
    ],
    [
      { event: "layer_error", layer: "a", error: "404" },
      { status: "failed", message: "404" },
    ],
    [
      { event: "layer_failed", layer: "a", error: { message: "no answer" } },
      { status: "failed", message: "no answer" },
    ],
    [
      { event: "layer_skip", layer: "a", reason: "cached" },
      { status: "skipped", message: "cached" },
    ],
    [
      { event: "layer_start", layer: "a", layer_name: "Fetch", message: "page 1" },
      { name: "a", message: "page 1" },
    ],
    [{ event: "layer_start", layer: 2, layer_name: "Fetch" }, { name: "Fetch" }],
    [{ event: "layer_start", layer: 2 }, { name: "2" }],
  ])("is read from %j", (fields, expected) => {
    expect(layerEvent(fields)).toMatchObject(expected);
  });

  it.each([
    { event: "layer_start" },
    { event: "layer_start", layer: {} },
    { event: "layer_of_paint", layer: "a" },
    { event: "layer_constructor", layer: "a" },
    { event: "phase_start", layer: "a" },
    { layer: "a", status: "running" },
    { event: 7, layer: "a" },
  ])("is nothing in %j", (fields) => {
    expect(layerEvent(fields)).toBeUndefined();
  });

  it("is what a logger in another process said of it", async () => {
    const lines: string[] = [];
    const logger = new StructuredLogger({ out: { write: (text) => lines.push(text.trim()) } });
    logger.layerStart("fetch", { current: 1, total: 9 });
    logger.layerStart("grade");
    logger.layerError("grade", new Error("no credit"));
    logger.layerSkip("rank", "nothing to rank");
    logger.layerComplete("fetch");
    const { layer_status } = await capturedIn((run) => {
      for (const line of lines) run.logOutput(line);
    });
    expect(layer_status).toMatchObject({
      fetch: { status: "success", order: 0, current: 1, total: 9 },
      grade: { status: "failed", order: 1, message: "Error: no credit" },
      rank: { status: "skipped", order: 2, message: "nothing to rank" },
    });
  });
});
