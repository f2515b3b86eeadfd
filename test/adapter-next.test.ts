import { afterAll, beforeAll } from "vitest";
import { createNextHandler, type NextRoute } from "../src/adapters/next.js";
import { describeHttp } from "./contract/http.js";
import { openNextApp } from "./support/next-app.js";

let app: Awaited<ReturnType<typeof openNextApp>>;
beforeAll(async () => {
  app = await openNextApp();
}, 120_000);
afterAll(() => app.close());

/** A route that does the same for all methods. */
function routeOf(routes: ReturnType<typeof createNextHandler>): NextRoute {
  return (request, context) => (routes[request.method as keyof typeof routes] as NextRoute)(request, context);
}

const folders: Record<string, "root" | "operations" | "logs"> = {
  "": "root",
  "/operations": "operations",
  "/api/v1/logs": "logs",
};

describeHttp(
  "Next",
  async (livetail, { mount, front }) => {
    const route = routeOf(createNextHandler(livetail));
    const { url, close } = await app.serve({ [folders[mount] ?? ""]: route }, front);
    return {
      url: `${url}${mount}`,
      close() {
        livetail.handler.closeViewers();
        return close();
      },
    };
  },
  (raw) => raw instanceof Request && "nextUrl" in raw,
  { speaksFetch: true, hidesLengths: true, evadesCompression: true, needsBodies: true, waitsForViewers: true },
);
