/** What an answer to a fuzzed request must be: worked out from what the request says, without livetail's own code. */
import type { Gap, PollAnswer, Problem, Reset } from "../../src/protocol.js";
import { type FuzzedRequest, OWN_ORIGIN, type Said } from "./request-grammar.js";
import { type Place, ROUTES } from "./request-place.js";

/** An answer, however it came. */
export interface SeenAnswer {
  status: number;
  header(name: string): string | undefined;
  /** The names of its headers, in lower case. */
  names: Iterable<string>;
  /** Of a stream: what has come so far. */
  text: string;
}

/** Codes of the table in the protocol → status. */
const CODES: Readonly<Record<string, number>> = {
  INVALID_RUN_ID: 400,
  INVALID_PARAMETER: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  RUN_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  RUN_NOT_COMPLETED: 409,
};

/** What authorize answered with a status of its own. */
const TEA = 418;

/** Every header that livetail, or the server below it, may send. */
const HEADERS = new Set([
  ...["content-type", "content-length", "cache-control", "x-content-type-options", "retry-after", "www-authenticate"],
  ...["allow", "vary", "content-disposition", "content-security-policy", "referrer-policy", "x-accel-buffering"],
  ...["access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"],
  ...["access-control-allow-methods", "access-control-allow-headers", "access-control-max-age"],
  ...["connection", "keep-alive", "date", "transfer-encoding", "etag"],
]);

/** Statuses that node answers by itself, before livetail hears of a request. */
const OF_NODE = [400, 408, 417, 431];

/** What makes the `authorize` of the scene throw or reject. */
const FAILING = ["Bearer throw", "Bearer reject"];

/** Whether an answer says that `authorize` threw or rejected, which viewers shall not take for a refusal. */
function isOfFailedAuthorize({ status, text }: SeenAnswer): boolean {
  // A HEAD has no body that could say so.
  return status === 503 && (text === "" || text.includes('"code":"FORBIDDEN"'));
}

/** Whether livetail itself answered. */
export function isOurs(answer: SeenAnswer): boolean {
  return answer.header("x-content-type-options") === "nosniff";
}

/** What is wrong with an answer; undefined for nothing. */
export function faultOf(request: FuzzedRequest, answer: SeenAnswer): string | undefined {
  const { status } = answer;
  // The one 5xx is of the user's own making.
  if (status >= 500 && !isOfFailedAuthorize(answer)) return "a 5xx";
  for (const name of answer.names) if (!HEADERS.has(name)) return `an unknown header ${name}`;
  if (!isOurs(answer)) {
    if (!request.strange) return "livetail did not answer";
    return OF_NODE.includes(status) ? undefined : "not one of node's own refusals";
  }
  const { said } = request;
  const allowed = said === null ? null : statusesOf(said);
  if (allowed !== null && !allowed.includes(status)) return `none of ${allowed.join(", ")}`;
  if (request.method === "HEAD") return answer.text === "" ? undefined : "a HEAD with a body";
  if (status >= 400) return problemFault(answer);
  if (status === 204) return answer.text === "" ? undefined : "a 204 with a body";
  if (said === null) return undefined;
  const open = answer.header("access-control-allow-origin");
  if (open !== undefined && open !== OWN_ORIGIN) return `open to ${open}`;
  return bodyFault(said, answer);
}

/** The statuses that an answer may have. */
function statusesOf(said: Said): number[] {
  const { place, method, run, query } = said;
  if (place === "outside") return [400, 404];
  if (place === "bad_id") return [400];
  if (place === "nothing") return [404];
  const methods: readonly string[] = ROUTES[place].methods;
  if (!methods.includes(method)) return [method === "OPTIONS" ? 204 : 405];
  const changes = method === "DELETE" || place === "cancel";
  if (changes && said.crossSite) return [403];
  const deletes = method === "DELETE";
  const refusal = deletes && run?.doomed !== true ? 403 : refusalOf(said.authorization);
  if (refusal !== null) return [refusal];
  if (deletes) return [204, 404];
  const gone = run?.doomed === true ? [404] : [];
  switch (place) {
    case "poll":
      if (query.badPoll || (said.lastEventId !== "" && !isCursor(said.lastEventId))) return [400];
      return run === null ? [404] : [200, ...gone];
    case "stream":
      if (query.badPoll) return [400];
      return run === null ? [404] : [200, 204, ...gone];
    case "result":
      return run === null ? [404] : [{ open: 202, completed: 200, failed: 409 }[run.status], ...gone];
    case "cancel":
      return run === null ? [404] : [200, ...(run.status === "open" ? [202] : []), ...gone];
    case "view":
    case "health":
      return [200];
    case "list":
      return [query.badList ? 400 : 200];
    case "client":
    case "panel":
      return [200, 404];
    default:
      return run === null ? [404] : [200, ...gone];
  }
}

function refusalOf(authorization: string): number | null {
  if (authorization === "" || authorization === "Bearer good" || authorization === "Bearer late") return null;
  if (authorization === "Bearer none") return 401;
  if (FAILING.includes(authorization)) return 503;
  return authorization === "Bearer tea" ? TEA : 403;
}

function isCursor(text: string): boolean {
  const parts = text.split(".");
  const whole = (part: string | undefined): boolean =>
    part !== undefined && /^\d{1,15}$/.test(part) && String(Number(part)) === part;
  const [epoch = "", next, version] = parts;
  return (
    /^[a-z0-9]{1,12}$/.test(epoch) && whole(next) && (parts.length === 2 || (parts.length === 3 && whole(version)))
  );
}

function problemFault(answer: SeenAnswer): string | undefined {
  if (answer.header("content-type") !== "application/problem+json; charset=utf-8")
    return "a refusal that is no problem";
  const problem = JSON.parse(answer.text) as Problem;
  if (problem.status !== answer.status) return "a problem of another status";
  const mayDiffer = problem.code === "FORBIDDEN" && (answer.status === TEA || isOfFailedAuthorize(answer));
  if (!mayDiffer && CODES[problem.code] !== answer.status) return `the code ${problem.code}`;
  if (answer.status === 405 && answer.header("allow") === undefined) return "a 405 without Allow";
  return undefined;
}

const JSON_PLACES: readonly Place[] = ["status", "progress", "cancel", "health"];

function bodyFault(said: Said, answer: SeenAnswer): string | undefined {
  const type = answer.header("content-type");
  const { place, run } = said;
  if (place === "poll") return pollFault(said, JSON.parse(answer.text) as PollAnswer);
  if (place === "stream") return streamFault(said, answer.text);
  if (place === "list" && !said.wantsHtml) {
    return Array.isArray(JSON.parse(answer.text).runs) ? undefined : "a list without runs";
  }
  if (place === "list" || place === "view") {
    if (type !== "text/html; charset=utf-8") return "a page of another type";
    return answer.header("content-security-policy")?.startsWith("default-src 'none'")
      ? undefined
      : "a page without policy";
  }
  if (place === "download") {
    const lines = answer.text.trimEnd().split("\n");
    for (const line of lines) JSON.parse(line);
    return run !== null && lines.length > 0 ? undefined : "an empty download";
  }
  if (JSON_PLACES.includes(place)) {
    const { run_id } = JSON.parse(answer.text) as { run_id?: string };
    return place === "health" || run_id === run?.id ? undefined : "of another run";
  }
  if (place === "result") JSON.parse(answer.text);
  return undefined;
}

interface Start {
  epoch: string | null;
  next: number;
}

/** Where a viewer begins; null: at the newest lines. */
function startOf(said: Said, total: number, first: number): Start {
  if (said.lastEventId !== "") {
    const [epoch = "", next] = said.lastEventId.split(".");
    return { epoch, next: Number(next) };
  }
  const { from } = said.query;
  if (from.kind === "cursor") return { epoch: from.epoch, next: from.next };
  if (from.kind === "since") return { epoch: null, next: from.next };
  if (from.kind === "tail") return { epoch: null, next: Math.max(first, total - from.count) };
  return { epoch: null, next: 0 };
}

/** Never a silent full replay: lines begin where the viewer asked, or the answer says why not. */
function pollFault(said: Said, answer: PollAnswer): string | undefined {
  const { logs, total_count: total, first_index: first, gap, reset } = answer;
  const start = startOf(said, total, first);
  const [epoch = "", next] = answer.cursor.split(".");
  const from = beginning(start, { epoch, first, total, gap, reset });
  if (typeof from === "string") return from;
  if (answer.run_id !== said.run?.id) return "of another run";
  if (logs.length > said.query.limit) return "more lines than were asked for";
  if (logs.some(({ index }, at) => index !== from + at)) return `lines that do not follow ${from}`;
  if (logs.length === 0 && from < total) return "no lines, though there are some";
  if (Number(next) !== from + logs.length || answer.next_index !== Number(next)) return "a cursor that is elsewhere";
  return undefined;
}

interface Found {
  epoch: string;
  first: number;
  total: number;
  gap: Gap | null;
  reset: Reset | null;
}

/** Where the lines of an answer have to begin, or what is wrong with what it says about that. */
function beginning(start: Start, { epoch, first, total, gap, reset }: Found): number | string {
  const another = start.epoch !== null && start.epoch !== epoch;
  if (another || start.next > total) {
    if (reset?.first_index !== first) return "no reset";
    return reset.reason === (another ? "epoch" : "ahead") ? first : `the reset ${reset.reason}`;
  }
  if (reset !== null) return "a reset without need";
  if (start.next >= first) return gap === null ? start.next : "a gap without need";
  const lost = first - start.next;
  return gap?.from === start.next && gap.to === first - 1 && gap.lost === lost ? first : "no gap";
}

interface Frame {
  id: string;
  event: string;
  data: Record<string, unknown>;
}

function streamFault(said: Said, text: string): string | undefined {
  const frames = framesOf(text);
  const [hello] = frames;
  if (hello === undefined) return "a stream without hello";
  if (hello.event !== "hello" || hello.data.run_id !== said.run?.id) return "a stream that begins otherwise";
  const first = hello.data.first_index as number;
  const total = hello.data.next_index as number;
  const told = frames.find(({ event }) => event === "reset");
  const lines = frames.filter(({ event }) => event === "log");
  const rubbish = said.lastEventId !== "" && !isCursor(said.lastEventId);
  if (rubbish && lines.length > 0 && told?.data.reason !== "cursor") return "lines for a rubbish id without a reset";
  const epoch = lines[0]?.id.split(".")[0];
  if (rubbish || epoch === undefined) return undefined;
  const gap = (frames.find(({ event }) => event === "gap")?.data ?? null) as Gap | null;
  const reset = (told?.data ?? null) as Reset | null;
  const from = beginning(startOf(said, total, first), { epoch, first, total, gap, reset });
  if (typeof from === "string") return from;
  return lines.every(({ data }, at) => data.index === from + at) ? undefined : `lines that do not follow ${from}`;
}

function framesOf(text: string): Frame[] {
  return text
    .slice(0, text.lastIndexOf("\n\n"))
    .split("\n\n")
    .flatMap((block) => {
      const fields = new Map(
        block.split("\n").map((line) => [line.split(": ")[0], line.slice(line.indexOf(": ") + 2)]),
      );
      const data = fields.get("data");
      if (data === undefined) return [];
      return [{ id: fields.get("id") ?? "", event: fields.get("event") ?? "", data: JSON.parse(data) }];
    });
}
