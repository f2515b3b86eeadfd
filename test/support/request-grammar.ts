/** A grammar of requests to a mounted livetail: each one as bytes, as parts, and as what it says by construction. */
import { type Grammar, HOSTILE_PIECES, NO_INTEGERS } from "./grammar.js";
import { type KnownRun, type Place, pathOf, ROUTES, type Route } from "./request-place.js";
import { QUERY_FIELDS, queryOf, type RequestQuery } from "./request-query.js";

/** The fields of a request that can be hostile. */
export const REQUEST_FIELDS = [
  ...["method", "mount", "target_form", "run_id", "run_encoding", "route", "path_tail"],
  ...QUERY_FIELDS,
  ...["last_event_id", "authorization", "accept", "accept_encoding", "origin", "sec_fetch_site", "content_type"],
  ...[
    "body",
    "host",
    "header_count",
    "header_size",
    "header_name",
    "connection",
    "http_version",
    "prefer",
    "forwarded",
  ],
  ...["expect", "upgrade", "line_ends", "raw_bytes"],
] as const;

/** Those of them that node refuses before livetail hears of it. */
export const REFUSED_FIELDS = [
  "raw_bytes",
  "line_ends",
  "header_name",
  "http_version",
  "expect",
  "header_size",
  "host",
];

/** What a request says. */
export interface Said {
  readonly method: string;
  readonly place: Place;
  /** The run that it names; null for one that does not exist. */
  readonly run: KnownRun | null;
  readonly query: RequestQuery;
  /** `Last-Event-ID`, "" for none. */
  readonly lastEventId: string;
  readonly authorization: string;
  /** A page of another site sends it. */
  readonly crossSite: boolean;
  readonly wantsHtml: boolean;
}

/** One request. */
export interface FuzzedRequest {
  readonly bytes: Buffer;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  /** null: its bytes were damaged, so that nobody knows what it says. */
  readonly said: Said | null;
  /** The server may refuse it before livetail hears of it, and cut the connection. */
  readonly strange: boolean;
  /** Its answer may be the last on its connection. */
  readonly last: boolean;
  /** It may stay without an answer for long, or be answered by a stream. */
  readonly mayStay: boolean;
}

/** The origin of pages that may do everything. */
export const OWN_ORIGIN = "https://app.example";

const WEIGHTED: readonly Route[] = [
  ...Array.from({ length: 24 }, () => "poll" as const),
  ...(["status", "status", "progress", "result", "result", "cancel", "view", "client", "panel"] as const),
  ...(["list", "list", "list", "list", "list", "health"] as const),
];
const VALID_METHODS = ["GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "DELETE", "OPTIONS"];
const OTHER_METHODS = ["PUT", "PATCH", "TRACE", "PROPFIND", "M-SEARCH", "SEARCH", "PURGE", "LINK", "QUERY", "ACL"];
const NO_METHODS = ["get", "CONNECT", "__proto__", "GE T", "", "GETT", "constructor", "G\u0000T", "PRI"];

/** Writes one request about one of `runs`; `staying` ones may be held, others are answered within milliseconds. */
export function writeRequest(g: Grammar, runs: readonly KnownRun[], staying: boolean): FuzzedRequest {
  g.begin();
  const { random } = g;
  const route = staying ? random.pick(["poll", "poll", "stream"] as const) : random.pick(WEIGHTED);
  let strange = false;
  let last = false;
  const oddly = <T>(value: T): T => {
    strange = true;
    return value;
  };

  const path = pathOf(g, route, runs);
  const method = g.form(
    "method",
    () => (g.oneIn(8) && !staying ? random.pick(VALID_METHODS) : random.pick(ROUTES[route].methods.filter(isUsual))),
    () => (g.oneIn(3) ? oddly(random.pick(NO_METHODS)) : random.pick(OTHER_METHODS)),
  );
  const query = queryOf(g, path.run, staying, route === "list");
  if (/[^\u0021-\u007e]/.test(query.text)) strange = true;

  const headers: [string, string][] = [];
  const add = (name: string, value: string): void => void headers.push([name, value]);
  const host = g.form(
    "host",
    () => "localhost",
    () => random.pick([null, "", "evil.example:99999", "a b", "[::1]", "x".repeat(2000), "😀"]),
  );
  if (host === null || host === "😀") strange = true;
  if (host !== null) add("Host", host);
  const lastEventId = g.form(
    "last_event_id",
    () => (path.run !== null && g.oneIn(12) ? `${path.run.epoch}.${random.between(0, path.run.next)}` : ""),
    () =>
      random.pick([
        ...NO_INTEGERS.filter(isHeaderText),
        "a.b.c",
        "..",
        "a.1.",
        ".1",
        "A.1",
        "a.01",
        "a.1.1.1",
        "a.1\u00e9",
      ]),
  );
  if (lastEventId !== "") add("Last-Event-ID", lastEventId);
  const authorization = g.form(
    "authorization",
    () => "",
    () => random.pick(AUTHORIZATIONS),
  );
  if (authorization !== "") add("Authorization", authorization);
  const accept = g.form(
    "accept",
    () => random.pick(["", "*/*"]),
    () => random.pick(ACCEPTS),
  );
  if (accept !== "") add("Accept", accept);
  const origin = g.form(
    "origin",
    () => "",
    () => random.pick([OWN_ORIGIN, "https://evil.example", "null", "*", "\u00ff", ","]),
  );
  if (origin !== "") add("Origin", origin);
  const site = g.form(
    "sec_fetch_site",
    () => "",
    () => random.pick(["cross-site", "same-origin", "none", "CROSS-SITE", "x"]),
  );
  if (site !== "") add("Sec-Fetch-Site", site);
  for (const [field, name, values] of PLAIN_HEADERS) {
    const value = g.form(
      field,
      () => "",
      () => random.pick(values),
    );
    if (value !== "") add(name, value);
  }
  const expect = g.form(
    "expect",
    () => "",
    () => random.pick(["100-continue", "200-ok", "x"]),
  );
  if (expect !== "") {
    add("Expect", expect);
    if (expect !== "100-continue") strange = true;
  }
  const upgrade = g.form(
    "upgrade",
    () => "",
    () => random.pick(["websocket", "h2c", "TLS/1.3"]),
  );
  const connection = g.form(
    "connection",
    () => (upgrade === "" ? "" : "Upgrade"),
    () => random.pick(["close", "keep-alive", "close, keep-alive", "TE", "x, y", "Last-Event-ID", "Upgrade"]),
  );
  if (upgrade !== "") add("Upgrade", upgrade);
  if (connection !== "") add("Connection", connection);
  if (/close|upgrade/i.test(connection)) last = true;
  const many = g.form(
    "header_count",
    () => 0,
    () => random.pick([1, 50, 400, 1200, 2100]),
  );
  for (let at = 0; at < many; at += 1) add("x", "");
  const size = g.form(
    "header_size",
    () => 0,
    () => random.pick([1000, 8000, 15_000, 17_000, 100_000]),
  );
  if (size > 0) add("X-Large", "x".repeat(size));
  if (size + many * 5 > 12_000) strange = true;
  const oddName = g.form(
    "header_name",
    () => "",
    () => random.pick(["__proto__", "constructor", "X Y", "", "é", "X\u0000", "cookie", ":x"]),
  );
  if (oddName !== "") add(oddly(oddName), "1");

  const body = g.form(
    "body",
    () => (method === "POST" && g.oneIn(2) ? '{"a":1}' : ""),
    () => random.pick(BODIES),
  );
  const framing = framingOf(g, body);
  if (framing.odd) strange = true;
  const version = g.form(
    "http_version",
    () => "1.1",
    () => random.pick(["1.0", "1.0", "0.9", "2.0", "1.7", "9.9", "1", "x", ""]),
  );
  if (version === "1.0") last = true;
  else if (version !== "1.1") strange = true;

  const text = g.form(
    "target_form",
    () => path.text,
    () => `${random.pick(["http://x", "https://x:1", "HTTP://h"])}${path.text}`,
  );
  const target = `${text}${query.text === "" ? "" : `?${query.text}`}`;
  if (path.text === "" && target === "") strange = true;
  if (!target.startsWith("/") && !/^https?:\/\/[^/]/i.test(target)) strange = true;
  const end = g.form(
    "line_ends",
    () => "\r\n",
    () => oddly(random.pick(["\n", "\r", "\r\n ", "\r\n\r\n", "\n\r", "\u0000\r\n"])),
  );
  const lines = [...headers, ...framing.headers].map(([name, value]) => `${name}: ${value}`);
  const whole = [`${method} ${target} HTTP/${version}`, ...lines, "", ""].join(end);
  let bytes: Buffer = Buffer.concat([Buffer.from(whole, strange ? "utf8" : "latin1"), Buffer.from(framing.body)]);
  let damaged = end !== "\r\n" || oddName !== "";
  bytes = g.form(
    "raw_bytes",
    () => bytes,
    () => {
      damaged = true;
      return oddly(damage(g, bytes));
    },
  );

  const crossSite = site === "cross-site" && origin !== OWN_ORIGIN;
  const wantsHtml = accept.includes("text/html");
  const place = !/^https?:\/\/[^/]/i.test(target) && !target.startsWith("/") ? "outside" : path.place;
  const said: Said = { method, place, run: path.run, query, lastEventId, authorization, crossSite, wantsHtml };
  const mayStay = staying || damaged || path.place === "stream" || query.waitMs > 20;
  return { bytes, method, target, headers, body, said: damaged ? null : said, strange, last, mayStay };
}

const isUsual = (method: string): boolean => method !== "HEAD";
const isHeaderText = (text: string): boolean => /^[!-~]+$/.test(text);
const AUTHORIZATIONS = [
  ...["Bearer good", "Bearer late", "Bearer wrong", "Bearer late-no", "Bearer none", "Bearer tea", "Bearer throw"],
  ...["Bearer rubbish", "Bearer reject", "x".repeat(3000), "\u00ff\u00fe", "Basic Og==", "undefined"],
];
const ACCEPTS = [
  "text/html",
  "text/html;q=0",
  "application/json",
  "text/event-stream",
  "x".repeat(2000),
  ",,,",
  "*",
  "\u00e9",
];
/** Headers that livetail does not read. */
const PLAIN_HEADERS: readonly (readonly [string, string, readonly string[]])[] = [
  ["accept_encoding", "Accept-Encoding", ["gzip", "br;q=1.0, *;q=0", "identity;q=0", "x".repeat(1000)]],
  [
    "content_type",
    "Content-Type",
    ["application/json", "multipart/form-data", "text/plain; charset=\u00ff", "/", "x".repeat(900)],
  ],
  ["prefer", "Prefer", ["wait=10", "respond-async", "wait=-1, wait=99999999999", "return=minimal"]],
  ["forwarded", "X-Forwarded-For", ["127.0.0.1", "' OR 1=1", ",".repeat(500), "::1, ::2", "\u0080"]],
];
const BODIES = [
  "x",
  "{}",
  "\u0000".repeat(10),
  "GET / HTTP/1.1\r\n\r\n",
  "x".repeat(70_000),
  "{".repeat(1000),
  "0\r\n\r\n",
  "é",
];

/** The headers that say how long a body is, and the body as it is sent. */
function framingOf(g: Grammar, body: string): { headers: [string, string][]; body: string; odd: boolean } {
  if (body === "") return { headers: [], body, odd: false };
  const length = Buffer.byteLength(body);
  const sized = (value: string): [string, string][] => [["Content-Length", value]];
  const chunks = `${length.toString(16)}\r\n${body}\r\n0\r\n`;
  const chunked: [string, string] = ["Transfer-Encoding", "chunked"];
  switch (g.random.between(0, 11)) {
    case 0:
      return { headers: sized(String(length + 5)), body, odd: true };
    case 1:
      return { headers: sized(g.random.pick(NO_INTEGERS.filter(isHeaderText))), body, odd: true };
    case 2:
      return { headers: [...sized(String(length)), chunked], body: `${chunks}\r\n`, odd: true };
    case 3:
      return { headers: [chunked], body: `${chunks}Trailer: x\r\n\r\n`, odd: true };
    case 4:
      return { headers: [chunked], body: chunks.slice(0, -3), odd: true };
    case 5:
      return { headers: [chunked], body: `${chunks}\r\n`, odd: false };
    default:
      return { headers: sized(String(length)), body, odd: false };
  }
}

/** Bytes with one to three of them changed, left out or added, or without their end. */
function damage(g: Grammar, bytes: Buffer): Buffer {
  const { random } = g;
  let damaged: Buffer = bytes;
  for (let times = random.between(1, 3); times > 0; times -= 1) {
    const at = random.between(0, Math.max(0, damaged.length - 1));
    const piece = Buffer.from(
      g.oneIn(2) ? random.pick(HOSTILE_PIECES) : String.fromCharCode(random.between(0, 255)),
      "latin1",
    );
    const rest = at + random.pick([0, 1, 1, piece.length]);
    damaged = g.oneIn(8)
      ? damaged.subarray(0, at)
      : Buffer.concat([damaged.subarray(0, at), piece, damaged.subarray(rest)]);
  }
  return damaged;
}
