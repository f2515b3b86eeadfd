/** What a framework itself puts in front of livetail. */
import { expect, it } from "vitest";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import { memoryStore } from "../../src/store/memory.js";
import { ask, openStream } from "./http-client.js";

/**
 * Starts a server with a livetail at `/operations` behind CORS for `https://app.test`, what compresses every answer, and
 * an authentication.
 */
export type ServeFronted = (livetail: Livetail) => Promise<{ url: string; close(): Promise<void> }>;

/** Declares the test, within the `describe` of an adapter; `authorization` is what its authentication lets through. */
export function itWorksBehindOthers(
  serve: ServeFronted,
  { authorization = "Bearer t", encoding = "gzip" }: { authorization?: string; encoding?: string | null } = {},
): void {
  it("works behind the framework's own CORS, compression and authentication", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    run.log("one");
    await run.flush();
    const { url, close } = await serve(livetail);
    const headers = { Authorization: authorization, Origin: "https://app.test", "Accept-Encoding": "gzip" };
    const path = `/operations/${run.id}`;
    for (const asked of [path, `${path}/stream`]) expect((await ask(url, asked)).status).toBe(401);
    const stream = await openStream(url, `${path}/stream`, { headers });
    expect(stream.headers).toMatchObject({ "access-control-allow-origin": "https://app.test" });
    expect(stream.headers).not.toHaveProperty("content-encoding");
    await stream.until(({ event }) => event === "log");
    run.log("two");
    expect((await stream.until(({ event }) => event === "log")).at(-1)?.data.message).toBe("two");
    stream.vanish();
    const poll = await fetch(`${url}${path}`, { headers });
    expect(poll.headers.get("access-control-allow-origin")).toBe("https://app.test");
    expect(poll.headers.get("content-encoding")).toBe(encoding);
    expect(await poll.json()).toMatchObject({ next_index: 2 });
    livetail.handler.closeViewers();
    await close();
    await livetail.close();
  });
}
