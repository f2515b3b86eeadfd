import { once } from "node:events";
import { connect } from "node:net";
import { expect, it, vi } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { createLivetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { startServer } from "./support/bare-server.js";

/** Far less than what is waited for. */
const SOON = { timeout: 8000 };
const BODY = "x".repeat(300_000);

/** A server with an open run, and a client that sends raw text and leaves when that has become `viewers` viewers. */
async function scene() {
  const livetail = createLivetail({ store: memoryStore() });
  const run = livetail.createOperationRun("job-1", "import");
  run.log("one");
  await run.flush();
  const { url } = await startServer(createNodeHandler(livetail));
  const answer = (await (await fetch(`${url}/${run.id}`)).json()) as { cursor: string };
  return {
    held: `/${run.id}?wait=30&cursor=${answer.cursor}`,
    stream: `/${run.id}/stream`,
    livetail,
    async visit(text: string, viewers: number): Promise<void> {
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      await once(socket, "connect");
      socket.on("error", () => {}).resume();
      socket.write(text);
      await vi.waitFor(() => expect(livetail.handler.viewers()).toBe(viewers), SOON);
      socket.destroy();
    },
  };
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const upload = (method: string, path: string): string =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;

it("counts no viewer of a held poll that left, though it had sent more than anybody reads", async () => {
  const { visit, held, livetail } = await scene();
  await visit(upload("GET", held), 1);
  await vi.waitFor(() => expect(livetail.handler.viewers()).toBe(0), SOON);
  await livetail.close();
});

it("counts no viewer that left while its run was waited for, though it had sent more than anybody reads", async () => {
  const { visit, livetail } = await scene();
  await visit(upload("POST", "/op_unborn_000000000000000000000000/stream"), 1);
  await vi.waitFor(() => expect(livetail.handler.viewers()).toBe(0), SOON);
  await livetail.close();
});

it("counts no viewer that left, though its answers stood behind another one on its connection", async () => {
  const { visit, held, stream, livetail } = await scene();
  const warned = vi.fn();
  process.on("warning", warned);
  await visit(`${get(held).repeat(15)}${get(stream)}`, 16);
  await vi.waitFor(() => expect(livetail.handler.viewers()).toBe(0), SOON);
  process.off("warning", warned);
  expect(warned).not.toHaveBeenCalled();
  await livetail.close();
});
