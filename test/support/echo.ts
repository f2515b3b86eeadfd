/** A livetail whose every answer says how it was asked, so that a test can see what an adapter makes of a request. */
import type { Handler } from "../../src/handler.js";

export const echo: { handler: Handler } = {
  handler: {
    handle: ({ mount, path, query, url }) => ({ status: 200, headers: {}, body: `${mount} ${path} ${query} ${url}` }),
    closeViewers() {},
    close() {},
    viewers: () => 0,
  },
};
