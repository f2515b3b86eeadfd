/** A livetail on a real server whose runs say hostile things wherever something can be said. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createNodeHandler } from "../../src/adapters/node.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import type { Run } from "../../src/run.js";
import { memoryStore } from "../../src/store/memory.js";
import { HOSTILE_TEXTS } from "../fixtures/hostile-text.js";

const LIMITS = { maxLines: 10_000, maxBufferBytes: 64 * 1_048_576 };

export interface HostileScene {
  livetail: Livetail;
  /** Where the server is: `http://127.0.0.1:PORT`. The routes are below `/operations`. */
  origin: string;
  /** What is answered outside of the mount, as HTML without any policy. */
  html: string;
  /** A run, still open, whose lines and layers are every hostile text in every place of a line. */
  sayEverything(): Promise<Run>;
  /** One failed run for each text, which is its operation, subject, metadata, layer, line, result's key and error. */
  nameEverything(): Promise<Run[]>;
  close(): Promise<void>;
}

/** Starts it. */
export async function startHostileScene(options: LivetailOptions = {}): Promise<HostileScene> {
  const store = memoryStore(LIMITS);
  const livetail = createLivetail({ store, ...LIMITS, ...options });
  const serve = createNodeHandler(livetail, { mount: "/operations" });
  const server = createServer((req, res) => {
    serve(req, res, () => res.setHeader("Content-Type", "text/html; charset=utf-8").end(scene.html));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const scene: HostileScene = {
    livetail,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    html: "",
    async sayEverything() {
      const run = livetail.createOperationRun("subject", "operation");
      for (const { text } of HOSTILE_TEXTS) sayEverywhere(run, text);
      await run.flush();
      return run;
    },
    async nameEverything() {
      return Promise.all(
        HOSTILE_TEXTS.map(async ({ text }) => {
          const run = livetail.createOperationRun(text, text, { metadata: { [text]: text, deep: [text] } });
          run.layer(text, "running", text);
          await run.fail(Object.assign(new Error(text), { code: text }));
          return run;
        }),
      );
    },
    async close() {
      await livetail.close();
      server.closeAllConnections();
      server.close();
      await store.close();
    },
  };
  return scene;
}

/** Logs a text as whatever a line may hold. */
function sayEverywhere(run: Run, text: string): void {
  run.log(text);
  run.log("message", { [text]: text });
  run.log({ message: text, level: "warn", [text]: { [text]: [text] } });
  run.log(Object.assign(new Error(text), { name: text, code: text, stack: text }));
  run.logger.info(text, { [text]: text, layer: text, status: text, step_name: text, session_id: text });
  run.logger.llmCallError({ backend: text, model: text, tier: text, stepName: text }, new Error(text));
  run.logger.layerError(text, new Error(text), { traceback: text });
  run.logOutput(text, "stdout");
  run.logOutput(`[ERROR] ${text}`, "stderr");
  run.logOutput(`[Part:context] ${text}`, "stdout");
  run.logOutput(`❌ layer_key: ${JSON.stringify({ error: text, [text]: text })}`, "stdout");
  run.logOutput(JSON.stringify({ message: text, prefix: text, module: text, raw_output: text }), "stderr");
  run.layer(text, "running", text, { current: 1, total: 2, [text]: text });
}
