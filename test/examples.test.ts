import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { LogEntry } from "../src/protocol.js";
import { launchBrowser } from "./support/browser.js";
import { ensureBuilt } from "./support/built.js";
import { startProgram } from "./support/cli.js";

// Loaded when the package is built, which they import by name.
const examples = {
  express: () => import("../examples/express.js"),
  fastify: () => import("../examples/fastify.js"),
  alpine: () => import("../examples/alpine.js"),
};

beforeAll(ensureBuilt, 120_000);

describe.each(["express", "fastify", "alpine"] as const)("the example for %s", (name) => {
  let service: { url: string; close(): Promise<void> } | undefined;

  /** Starts it on a free port and on the embedded store, whatever the environment says. */
  const open = async (): Promise<string> => {
    vi.stubEnv("REDIS_URL", "");
    const { start } = await examples[name]();
    service = await start(0);
    return service.url;
  };

  afterEach(async () => {
    await service?.close();
    service = undefined;
  });

  it("runs its operation to the end, with lines, layers, cost and a result", async () => {
    const url = await open();
    const { LogPoller } = await import("livetail/client");
    const started = await fetch(`${url}/prices`, { method: "POST" });
    expect(started.status).toBe(202);
    const { run_id } = (await started.json()) as { run_id: string };
    const poller = new LogPoller(run_id, { endpointBase: `${url}/operations` });
    const end = new Promise((resolve) => poller.onComplete(resolve));
    const entries: LogEntry[] = [];
    for await (const entry of poller) entries.push(entry);
    const result = (await (await fetch(`${url}/operations/${run_id}/result`)).json()) as Record<string, number>;
    expect(await end).toMatchObject({
      status: "completed",
      expected_log_count: entries.length,
      layer_status: { scan: { status: "success" }, price: { status: "success", current: result.files } },
    });
    const { backend_stats } = (await end) as { backend_stats: { total: { calls: number; cost_usd: number } } };
    expect(backend_stats.total.calls).toBe(result.files);
    expect(backend_stats.total.cost_usd).toBeCloseTo(result.cost_usd ?? Number.NaN, 6);
    expect(result.files).toBeGreaterThan(5);
    expect(entries.map(({ index }) => index)).toEqual(entries.map((_, i) => i));
    expect(entries.filter(({ event }) => event === "file_priced")).toHaveLength(result.files ?? 0);
    expect(entries.map(({ message }) => message)).toContainEqual(expect.stringMatching(/^package\.json: \d+ tokens$/));
  });

  it("shows it in a page, to its end and what it costs", async () => {
    const url = await open();
    const page = await (await launchBrowser()).newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(String(error)));
    await page.goto(url);
    await page.click("#start");
    await page.waitForFunction(() => document.getElementById("lines")?.textContent?.includes("completed: $"));
    const lines = (await page.textContent("#lines"))?.trimEnd().split("\n") ?? [];
    expect(lines).toContainEqual(expect.stringMatching(/^README\.md: \d+ tokens$/));
    expect(lines.at(-1)).toMatch(/^completed: \$0\.\d+$/);
    expect(faults).toEqual([]);
    await page.close();
  });

  it("runs by itself, and ends at Ctrl-C", async () => {
    const program = startProgram([process.execPath, "--import", "tsx", `examples/${name}.ts`], { PORT: "0" });
    await program.printed("stdout", "\n");
    const url = /http:\S+/.exec(program.stdout)?.[0] ?? "";
    expect((await fetch(url)).headers.get("content-type")).toMatch(/^text\/html/);
    program.child.kill("SIGINT");
    expect(await program.ended).toBe(0);
  });
});
