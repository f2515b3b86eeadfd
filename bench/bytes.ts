/** What a page loads to follow an operation. */
import { ok } from "node:assert";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import type { Goal } from "./goals.js";
import { type Figure, steady } from "./rounds.js";
import type { Scenario } from "./scenario.js";

/** What a page imports: names of each package. */
type Imports = Readonly<Record<string, readonly string[]>>;

const CLIENT = "livetail/client";
const CLIENT_WITH_STREAMS = "livetail/client with livetail/client/sse";
const DURABLE_STREAMS = "@durable-streams/client";
const SOCKET_IO = "socket.io-client";
const CENTRIFUGE = "centrifuge";
const TRIGGER_DEV = "@trigger.dev/react-hooks";

const CONTENDERS: Readonly<Record<string, Imports>> = {
  // A ceiling: it turns text into events, and that is all.
  "eventsource-parser": { "eventsource-parser": ["createParser"] },
  [CLIENT]: { "livetail/client": ["LogPoller"] },
  [CLIENT_WITH_STREAMS]: { "livetail/client": ["LogPoller"], "livetail/client/sse": ["sseTransport"] },
  "@microsoft/fetch-event-source": { "@microsoft/fetch-event-source": ["fetchEventSource"] },
  [DURABLE_STREAMS]: { [DURABLE_STREAMS]: ["stream"] },
  [SOCKET_IO]: { [SOCKET_IO]: ["io"] },
  [CENTRIFUGE]: { [CENTRIFUGE]: ["Centrifuge"] },
  [TRIGGER_DEV]: { [TRIGGER_DEV]: ["useRealtimeRun"] },
};

/** What is in the page anyway where a package has it as a peer, and what a browser never loads. */
const EXTERNAL = ["react", "react-dom", "node:*"];

export const bytes: Scenario = {
  name: "bytes",
  about: "What a page loads, bundled and minified by esbuild, gzipped: with one import, and with all that there is.",
  goals: [
    { row: CLIENT, figure: "all, bytes", atMost: 2200 },
    { row: CLIENT_WITH_STREAMS, figure: "all, bytes", atMost: 3800 },
    ...[DURABLE_STREAMS, SOCKET_IO, CENTRIFUGE, TRIGGER_DEV].map((of): Goal => {
      return { row: CLIENT_WITH_STREAMS, figure: "one import, bytes", of, atMost: 0.5 };
    }),
  ],
  async run() {
    const ceiling = await gzipBytes(importOf(CONTENDERS["eventsource-parser"] ?? {}), []);
    return Promise.all(
      Object.entries(CONTENDERS).map(async ([name, imports]): Promise<Figure> => {
        const one = await gzipBytes(importOf(imports), Object.values(imports).flat());
        const all = await gzipBytes(allOf(imports), Object.values(imports).flat());
        return {
          name,
          figures: { "one import, bytes": steady(one), "all, bytes": steady(all), ratio: steady(one / ceiling) },
        };
      }),
    );
  },
};

function importOf(imports: Imports): string {
  return Object.entries(imports)
    .map(([from, names]) => `export { ${names.join(", ")} } from ${JSON.stringify(from)};`)
    .join("\n");
}

function allOf(imports: Imports): string {
  return Object.keys(imports)
    .map((from) => `export * from ${JSON.stringify(from)};`)
    .join("\n");
}

/** The size of what esbuild makes of `contents` for browsers, gzipped; it has to export `names`. */
async function gzipBytes(contents: string, names: readonly string[]): Promise<number> {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL(".", import.meta.url)) },
    bundle: true,
    minify: true,
    platform: "browser",
    format: "esm",
    external: EXTERNAL,
    metafile: true,
    write: false,
    logLevel: "error",
  });
  const exported = Object.values(metafile.outputs).flatMap((output) => output.exports);
  for (const name of names) ok(exported.includes(name), `${name} is in the bundle`);
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}
