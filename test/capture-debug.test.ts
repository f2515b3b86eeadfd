import debug from "debug";
import { afterEach, describe, expect, it, vi } from "vitest";
import { captureDebug } from "../src/capture/debug.js";
import { capturedIn } from "./support/captured.js";

afterEach(() => {
  debug.disable();
  vi.restoreAllMocks();
});

describe("captured debug", () => {
  it("logs what enabled namespaces print to the run that it belongs to, and prints it all the same", async () => {
    const printed = vi.spyOn(debug, "log").mockReturnValue(undefined);
    debug.enable("scraper:*");
    const end = captureDebug(debug);
    const { logs } = await capturedIn(async () => {
      debug("scraper:http")("GET %s → %d", "/jobs", 200);
      debug("other")("not enabled");
      await Promise.resolve();
      debug("scraper:page").extend("parser")({ found: 3 });
    });
    debug("scraper:http")("outside");
    end();
    await capturedIn(() => debug("scraper:http")("after the end"));
    expect(logs).toMatchObject([
      { level: "debug", message: "GET /jobs → 200", component: "scraper:http" },
      { level: "debug", message: "{ found: 3 }", component: "scraper:page:parser" },
    ]);
    expect(logs).toHaveLength(2);
    expect(printed).toHaveBeenCalledTimes(4);
  });
});
