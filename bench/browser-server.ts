/** A process that serves livetail and pages that follow runs; its parent says where Redis is. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createLivetail } from "livetail";
import { createNodeHandler } from "livetail/node";
import { BROWSER_PAGE } from "./browser-page.js";
import { ownCpu } from "./cpu-time.js";
import { panelPage } from "./panel-page.js";

/** What the parent says first. */
export interface BrowserServerRole {
  redisUrl: string;
}

/** What the child says when it listens. */
export interface BrowserServerReady {
  url: string;
}

process.on("message", async (message: BrowserServerRole | "cpu") => {
  process.send?.(message === "cpu" ? ownCpu() : ({ url: await serve(message) } satisfies BrowserServerReady));
});
process.on("disconnect", () => process.exit(0));

async function serve({ redisUrl }: BrowserServerRole): Promise<string> {
  const operations = createNodeHandler(createLivetail({ redis: redisUrl }), { mount: "/operations" });
  const server = createServer((request, response) => {
    const page = request.url?.startsWith("/panel/") ? panelPage(request.url.slice(7)) : BROWSER_PAGE;
    if (/^\/pa(ge|nel\/)/.test(request.url ?? "")) response.writeHead(200, { "Content-Type": "text/html" }).end(page);
    else operations(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
