/**
 * The import rule: imports point down the flow.
 *
 * Every file of src/ stands at one station, and a station imports only itself and the stations named for it. The
 * writing half (a log call → a run → the store) and the reading half (the store → a reader → the handler) know the
 * store seam, and not each other; livetail.ts ties them together.
 */

/** Station → the files that stand there. */
const stations = {
  contract: ["protocol", "errors", "clock", "back-off", "deadlines"],
  values: [
    ...[
      "backend-stats",
      "cost",
      "describe",
      "entry-text",
      "fields",
      "json",
      "layers",
      "line",
      "line-rules",
      "llm-usage",
      "price",
      "random-id",
      "run-id",
      "redact",
      "secrets",
      "serialize",
      "shorten",
    ],
    ...["plain-text", "sse", "text-line"],
  ],
  seam: ["store", "run-state", "measured-request"],
  writing: [
    ...[
      "run",
      "run-ref",
      "handle",
      "writer",
      "writer-host",
      "backlog",
      "line-queue",
      "numbered-lines",
      "layer-outbox",
      "logger",
      "context",
    ],
    ...["owner", "outage", "turn-queue", "llm-call", "llm-outcome", "llm", "budget"],
  ],
  reading: [
    ...["reader", "follow", "poll", "run-feed", "run-view", "page-bytes", "run-status"],
    ...["held-end", "line-window", "bell", "shared-answers", "shared-frames", "shared-pages"],
  ],
  serving: [
    ...["handler", "fetch", "mount", "routes", "exchange", "answer", "stream", "download", "viewers", "stuck-watch"],
    ...[
      "access",
      "authorize",
      "query",
      "remembered",
      "schema",
      "html",
      "list-page",
      "coverage",
      "coverage-page",
      "coverage-table",
      "durations",
      "run-lists",
      "view-page",
    ],
  ],
  wiring: ["livetail", "default-livetail", "livetail-options", "close-on-signals", "assets"],
  operations: ["operation-routes", "operation-fetch", "work-limit", "bulk"],
  index: ["index"],
  stores: ["store/"],
  adapters: ["adapters/"],
  client: ["client/"],
  panel: ["panel/"],
  runs: ["runs/"],
  capture: ["capture/"],
  cli: ["cli/"],
};

/** Station → the stations that it may import, besides itself. */
const mayImport = {
  contract: [],
  values: ["contract"],
  seam: ["contract"],
  stores: ["seam", "values", "contract"],
  writing: ["seam", "values", "contract"],
  reading: ["seam", "values", "contract"],
  serving: ["reading", "seam", "values", "contract"],
  // An adapter that is handed no livetail serves the default one.
  adapters: ["operations", "wiring", "serving", "writing", "seam", "contract"],
  operations: ["wiring", "serving", "writing", "values", "contract"],
  wiring: ["serving", "reading", "writing", "stores", "seam", "values", "contract"],
  index: ["operations", "wiring", "serving", "reading", "writing", "stores", "seam", "values", "contract"],
  client: [],
  panel: [],
  runs: [],
  // A transport in a worker thread has a livetail of its own.
  capture: ["wiring", "writing", "values", "contract"],
  cli: [
    "index",
    "capture",
    "wiring",
    "adapters",
    "client",
    "serving",
    "reading",
    "writing",
    "stores",
    "values",
    "contract",
  ],
};

const pathOf = (file) => (file.endsWith("/") ? `^src/${file}` : `^src/${file}\\.ts$`);
const pathsOf = (...names) => names.flatMap((name) => stations[name].map(pathOf));
const everyStation = pathsOf(...Object.keys(stations));

const stationRules = Object.keys(stations)
  .filter((name) => !["client", "panel", "runs"].includes(name))
  .map((name) => ({
    name: `down-the-flow-from-${name}`,
    severity: "error",
    from: { path: pathsOf(name) },
    to: { path: "^src/", pathNot: pathsOf(name, ...mayImport[name]) },
  }));

/** Only files under `from` may import the modules of `to`. */
const onlyIn = (name, from, to, more = {}) => ({
  name,
  severity: "error",
  from: { path: "^src/", pathNot: from },
  to: { path: to, ...more },
});

module.exports = {
  forbidden: [
    ...stationRules,
    {
      name: "every-file-has-a-station",
      comment: "A new file of src/ goes into the table above.",
      severity: "error",
      from: {},
      to: { path: "^src/", pathNot: everyStation },
    },
    {
      name: "a-file-without-a-station-imports-nothing",
      severity: "error",
      from: { path: "^src/", pathNot: everyStation },
      to: {},
    },
    {
      name: "the-contract-imports-nothing",
      severity: "error",
      from: { path: ["^src/protocol\\.ts$", "^src/errors\\.ts$"] },
      to: {},
    },
    {
      name: "the-client-is-for-browsers",
      severity: "error",
      from: { path: "^src/client/" },
      to: {
        pathNot: [
          "^src/client/",
          "^src/(protocol|errors|sse)\\.ts$",
          "^node_modules/(eventsource-parser|react|@types/react|vue)/",
        ],
      },
    },
    onlyIn("only-its-binding-knows-react", ["^src/client/react\\.ts$"], "(^|/)(@types/)?react(/|$)"),
    onlyIn("only-its-binding-knows-vue", ["^src/client/vue\\.ts$"], "(^|/)vue(/|$)"),
    {
      name: "the-panel-is-for-browsers",
      severity: "error",
      from: { path: "^src/panel/" },
      to: { pathNot: ["^src/(panel|client)/", "^src/(protocol|errors)\\.ts$"] },
    },
    {
      name: "the-list-is-for-browsers",
      severity: "error",
      from: { path: "^src/runs/" },
      to: { pathNot: ["^src/(runs|panel|client)/", "^src/(protocol|errors)\\.ts$"] },
    },
    onlyIn("only-the-redis-store-knows-redis", ["^src/store/redis"], "(^|/)ioredis6?(/|$)"),
    onlyIn("only-adapters-know-frameworks", ["^src/adapters/"], "(^|/)(express|fastify|hono|h3|koa|next|@nestjs)(/|$)"),
    onlyIn(
      "only-the-node-adapter-knows-sockets",
      ["^src/adapters/node\\.ts$", "^src/cli/"],
      "^(node:)?(http|https|http2|net|tls)$",
      // A framework's request is one of node's; its type is no socket.
      { dependencyTypesNot: ["type-only"] },
    ),
    onlyIn("only-capture-and-the-terminal-know-processes", ["^src/capture/", "^src/cli/"], "^(node:)?child_process$"),
    onlyIn("only-capture-knows-price-tables", ["^src/capture/"], "(^|/)@pydantic/genai-prices(/|$)"),
    onlyIn("only-capture-knows-other-loggers", ["^src/capture/"], "(^|/)(pino|winston|winston-transport|debug)(/|$)"),
    onlyIn("only-schema-knows-zod", ["^src/schema\\.ts$"], "(^|/)zod(/|$)"),
    onlyIn(
      "only-readers-of-streams-know-the-parser",
      ["^src/client/sse\\.ts$", "^src/capture/answer-reader\\.ts$"],
      "(^|/)eventsource-parser(/|$)",
    ),
    {
      name: "src-stands-alone",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|bench|examples)/" },
    },
    {
      name: "src-uses-no-development-dependency",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["npm-peer", "type-only"] },
    },
    {
      name: "examples-use-the-package-by-name",
      severity: "error",
      from: { path: "^examples/" },
      to: { path: "^(src|test|bench)/" },
    },
    {
      name: "the-bench-measures-what-users-install",
      comment: "From sources, tsx gives every closure a name of its own, which costs time and memory.",
      severity: "error",
      from: { path: "^bench/" },
      to: { path: "^src/" },
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "every-import-resolves",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: ["node_modules", "^dist/"] },
    // What a build of Next leaves.
    exclude: { path: "/\\.next/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "require", "node", "default"] },
  },
};
