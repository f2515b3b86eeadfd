/** The path of a fuzzed request: what it names, rightly or not. */
import type { Grammar } from "./grammar.js";

/** A run that requests speak of. */
export interface KnownRun {
  readonly id: string;
  /** The epoch and the version of its cursors. */
  readonly epoch: string;
  readonly version: number;
  /** How many lines it has had, at least. */
  readonly next: number;
  readonly status: "open" | "completed" | "failed";
  /** It may be deleted, and be gone. */
  readonly doomed: boolean;
}

/** What stands behind a path, by construction. */
export type Place = "outside" | "bad_id" | "nothing" | Route;

/** The routes, by their names in the table of the protocol. */
export type Route = keyof typeof ROUTES;

/** Route → its path below the mount (`*` stands for a run) and its methods. */
export const ROUTES = {
  poll: { path: "/*", methods: ["GET", "HEAD", "DELETE"] },
  status: { path: "/*/status", methods: ["GET", "HEAD"] },
  progress: { path: "/*/progress", methods: ["GET", "HEAD"] },
  stream: { path: "/*/stream", methods: ["GET", "HEAD", "POST"] },
  result: { path: "/*/result", methods: ["GET", "HEAD"] },
  download: { path: "/*/download", methods: ["GET", "HEAD"] },
  view: { path: "/*/view", methods: ["GET", "HEAD"] },
  cancel: { path: "/*/cancel", methods: ["POST"] },
  list: { path: "/", methods: ["GET", "HEAD"] },
  health: { path: "/-/health", methods: ["GET", "HEAD"] },
  client: { path: "/-/client.js", methods: ["GET", "HEAD"] },
  panel: { path: "/-/panel.js", methods: ["GET", "HEAD"] },
} as const;

/** The mount of the servers under test. */
export const MOUNT = "/operations";
const BAD_IDS = [
  ...["..", ".", "%2e%2e", "%2E", "owner:1", "owner%3a1", "_op", "-op", ":x", "a%2fb", "a%00", "%00", "a%20b", "a+b"],
  ...[
    "%zz",
    "%",
    "%4",
    "%c0%ae",
    "%ff",
    "%ed%a0%80",
    "a;b",
    "a@b",
    "a%25b",
    "%256f",
    "a,b",
    "a$b",
    "a|b",
    "%F0%9F%98%80",
  ],
  ...["x".repeat(129), "x".repeat(4000), "%78".repeat(129), "a%0d%0aSet-Cookie:x", "a'b", "{}", "[]", "<script>", "*"],
];
const NO_ROUTES = [
  ...[
    "Status",
    "STATUS",
    "status/",
    "status/x",
    "/status",
    "%73tatus",
    "stream;x=1",
    "..",
    ".",
    "__proto__",
    "constructor",
  ],
  ...["toString", "hasOwnProperty", "valueOf", "panel", "-", "cancel/", "delete", "result.json", "view%00", "+", "%"],
];
const NO_MOUNTS = [
  "/Operations",
  "//operations",
  "/operations2",
  "/%6fperations",
  "",
  "/",
  "/operations/..",
  "/operations//",
];

/** A path, and what it means. */
export interface Path {
  text: string;
  place: Place;
  run: KnownRun | null;
}

/** Writes the path to `route`, mount included; where it names a run, one of `runs` or one that does not exist. */
export function pathOf(g: Grammar, route: Route, runs: readonly KnownRun[]): Path {
  const { random } = g;
  let place: Place = route;
  let run: KnownRun | null = null;
  let text: string = ROUTES[route].path;
  if (text.startsWith("/*")) {
    run = g.oneIn(15) ? null : random.pick(runs);
    let id =
      run?.id ??
      `op_unknown_${Math.floor(random.next() * 1e15)
        .toString(36)
        .padStart(24, "0")}`;
    id = g.form(
      "run_encoding",
      () => id,
      () => percentEncoded(g, id),
    );
    id = g.form(
      "run_id",
      () => id,
      () => {
        place = "bad_id";
        return random.pick(BAD_IDS);
      },
    );
    text = `/${id}${text.slice(2)}`;
  }
  text = g.form(
    "route",
    () => text,
    () => {
      if (place !== "bad_id") place = route === "list" ? "bad_id" : "nothing";
      const above = route === "poll" || route === "list" ? text : text.slice(0, text.lastIndexOf("/"));
      return `${above}/${random.pick(NO_ROUTES)}`;
    },
  );
  text = g.form(
    "path_tail",
    () => text,
    () => {
      if (place !== "bad_id") place = route === "list" ? "bad_id" : "nothing";
      return `${text}/${random.pick(["", "", "/", "x", "..", "%2e", "a/b/c", "%00", "x".repeat(3000)])}`;
    },
  );
  const mount = g.form(
    "mount",
    () => MOUNT,
    () => {
      place = "outside";
      return random.pick(NO_MOUNTS);
    },
  );
  return { text: mount + text, place, run };
}

/** The same segment in another spelling. */
function percentEncoded(g: Grammar, text: string): string {
  const spell = (character: string): string => {
    const code = character.charCodeAt(0).toString(16);
    return g.oneIn(2) ? character : `%${g.oneIn(2) ? code : code.toUpperCase()}`;
  };
  return [...text].map(spell).join("");
}
