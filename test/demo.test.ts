import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { LogPoller } from "../src/client/index.js";
import type { LogEntry } from "../src/protocol.js";
import { ensureBuilt } from "./support/built.js";
import { type CliProcess, startProgram } from "./support/cli.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

beforeAll(async () => {
  await ensureBuilt();
}, 120_000);

/** Starts the demo and waits for its URL. */
async function startDemo(...args: string[]): Promise<{ demo: CliProcess; viewUrl: URL }> {
  const demo = startProgram([process.execPath, "--import", "tsx", "examples/demo.ts", ...args]);
  await demo.printed("stdout", "/view\n");
  return { demo, viewUrl: new URL(/http:\S+/.exec(demo.stdout)?.[0] ?? "") };
}

// A deadline, not a wait: two processes of a whole operation share the machine with other tests.
describe("the demo", { timeout: 60_000 }, () => {
  it("indexes this repository, and shows the same in its terminal and at its URL, to the last line", async () => {
    const { demo, viewUrl } = await startDemo("--once");
    const [, mount, runId = ""] = viewUrl.pathname.split("/");
    const entries: LogEntry[] = [];
    const page = await fetch(viewUrl);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    const poller = new LogPoller(runId, {
      endpointBase: `${viewUrl.origin}/${mount}`,
      onLog: (entry) => entries.push(entry),
    });
    const completion = new Promise<{ status: string; layer_status: Record<string, { status: string }> }>((resolve) => {
      poller.onComplete(resolve);
    });
    poller.start();
    const { status, layer_status } = await completion;
    const result = await fetch(`${viewUrl.origin}/${mount}/${runId}/result`);
    expect(await demo.ended).toBe(0);

    expect(status).toBe("completed");
    expect(Object.entries(layer_status).map(([name, layer]) => [name, layer.status])).toEqual([
      ["discover", "success"],
      ["read", "success"],
      ["analyse", "success"],
      ["report", "success"],
    ]);
    expect(entries.length).toBeGreaterThanOrEqual(300);
    expect(entries.map(({ index }) => index)).toEqual(entries.map((_, i) => i));
    // How often depends on the sizes of this repository's files.
    expect(entries.filter(({ event }) => event === "retry_attempt").length).toBeGreaterThan(0);
    expect(JSON.stringify(entries)).not.toContain(ROOT.slice(0, -1));
    expect(await result.json()).toMatchObject({ files: expect.any(Number), top_words: expect.any(Object) });

    const shown = demo.stdout.trimEnd().split("\n").slice(1);
    expect(shown).toHaveLength(entries.length);
    expect(shown.at(-1)).toContain("indexed ");
    for (const [i, { message }] of entries.entries()) expect(shown[i]).toContain(message);
  });

  it("stays up for a person until Ctrl-C, on another port if its own is taken", async () => {
    const taken = createServer();
    // It may be taken by somebody else; that serves as well.
    const settled = new Promise((resolve) => taken.once("listening", resolve).once("error", resolve));
    taken.listen(3000, "127.0.0.1");
    await settled;
    try {
      const { demo, viewUrl } = await startDemo();
      expect(viewUrl.port).not.toBe("3000");
      await demo.printed("stderr", "The page stays up");
      const home = await fetch(viewUrl.origin);
      expect([home.status, home.url]).toEqual([200, viewUrl.href]);
      demo.child.kill("SIGINT");
      expect(await demo.ended).toBe(0);
    } finally {
      taken.close();
    }
  });
});
