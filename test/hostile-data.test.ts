import { Agent } from "node:http";
import { Redis } from "ioredis";
import { afterEach, describe, expect, it } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { StructuredLogger } from "../src/logger.js";
import type { ListAnswer, PollAnswer, StatusAnswer } from "../src/protocol.js";
import { memoryStore } from "../src/store/memory.js";
import { redisStore } from "../src/store/redis.js";
import { ask } from "./contract/http-client.js";
import { HOSTILE_TEXTS } from "./fixtures/hostile-text.js";
import { listen } from "./support/bare-server.js";
import { startRedis } from "./support/redis.js";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A livetail on one kind of store, and everything that the store holds as text. */
async function open(kind: "memory" | "redis", options: LivetailOptions = {}) {
  let dump = async (): Promise<string> => "";
  let store = memoryStore();
  if (kind === "redis") {
    const redis = await startRedis();
    const client = new Redis(redis.url);
    cleanups.push(
      () => redis.stop(),
      () => client.disconnect(),
    );
    store = redisStore({ client });
    dump = () => dumpOf(client);
  }
  const livetail: Livetail = createLivetail({ store, authorize: () => true, ...options });
  cleanups.push(
    () => store.close(),
    () => livetail.close(),
  );
  const url = await listen(createNodeHandler(livetail));
  return { livetail, url, dump };
}

/** Every key of a Redis with what it holds. */
async function dumpOf(client: Redis): Promise<string> {
  let text = "";
  for (const key of await client.keys("*")) {
    const type = await client.type(key);
    const held =
      type === "list"
        ? await client.lrange(key, 0, -1)
        : type === "hash"
          ? await client.hgetall(key)
          : type === "zset"
            ? await client.zrange(key, 0, -1)
            : await client.get(key);
    text += `${key} ${JSON.stringify(held)}\n`;
  }
  return text;
}

describe("secrets", () => {
  const SECRET = "hunter2";
  const names = ["authorization", "Cookie", "set-cookie", "PASSWORD", "token", "secret", "apiKey", "api-key"];
  const more = ["access_token", "refreshToken", "iban", "X-Tenant-Key"];
  const secrets = Object.fromEntries([...names, ...more].map((name) => [name, SECRET]));

  it("reach no key of the store, whatever holds them and wherever a line comes from", async () => {
    const { livetail, url, dump } = await open("redis", { redactKeys: ["IBAN", "x_tenant_key"] });
    const run = livetail.createOperationRun("s", "op", { metadata: { request: { headers: [secrets] }, ...secrets } });
    const holders: unknown[] = [
      secrets,
      [[[secrets]]],
      { deep: { deeper: [{ deepest: secrets }] } },
      new Map(Object.entries(secrets)),
      new Map<unknown, unknown>([[1, secrets], ...Object.entries(secrets)]),
      new Set([secrets]),
      new Headers(secrets),
      Object.assign(Object.create(null), secrets),
      Object.assign(new (class Request {})(), secrets),
      { toJSON: () => secrets },
      { toJSON: () => ({ toJSON: 1, ...secrets }) },
      Object.assign(new Error("failed"), secrets, { config: { headers: secrets }, response: { config: secrets } }),
      new Error("failed", { cause: Object.assign(new Error("cause"), secrets) }),
      new AggregateError([Object.assign(new Error("one"), secrets)], "many"),
      { err: Object.assign(new Error("failed"), secrets), error: Object.assign(new Error("failed"), secrets) },
      Object.defineProperty({}, "token", { get: () => SECRET, enumerable: true }),
      new Proxy(secrets, {}),
    ];
    const child = run.logger.child({ ...secrets, tenant: { secrets } });
    const join = livetail.createLogCallback(run.id);
    for (const holder of holders) {
      run.log(holder);
      run.log("text", { holder });
      run.log({ message: "an object", metadata: holder, holder });
      run.logger.info("event", { holder, metadata: { holder } });
      run.logger.info("event", holder as Record<string, unknown>);
      run.logger.layerError("layer", holder, { holder });
      run.logger.llmCallComplete({ backend: "b", model: "m", holder, metadata: holder as never });
      child.warn("event", { holder });
      child.child({ holder }).info("event");
      run.layer("fetch", "running", "message", { holder });
      join("joined", { holder });
      livetail.createLayerCallback(run.id)("other", "running", "message", { holder });
      run.logOutput(JSON.stringify({ message: "printed", secrets, metadata: [secrets], ...secrets }), "stdout");
    }
    await run.fail(holders[11]);
    const stored = await dump();
    expect(stored.match(/\[redacted\]/g)?.length).toBeGreaterThan(1000);
    expect(stored).toContain("failed");
    expect(stored.match(/.{80}hunter2/g) ?? []).toEqual([]);
    for (const path of ["?limit=1000", "/status", "/download", "/stream"]) {
      const { status, text } = await ask(url, `/${run.id}${path}`);
      expect([path, status, text.includes(SECRET)]).toEqual([path, 200, false]);
    }
  });

  it("reach no stdout by a logger without a run", () => {
    let text = "";
    const out = {
      write(part: string) {
        text += part;
      },
    };
    new StructuredLogger({ out, bindings: secrets }).child({ deep: [secrets] }).info("event", { ...secrets });
    expect(text.match(/\[redacted\]/g)?.length).toBeGreaterThan(20);
    for (const name of names) expect(text).toContain(`${JSON.stringify(name)}:"[redacted]"`);
    expect(text).toContain('"iban":"hunter2"');
    expect(text.split(SECRET)).toHaveLength(1 + 3 * 2);
  });

  it("reach no key of the store in words either, by what they look like, while a result is what it was", async () => {
    const key = "sk-proj-Hunter2Ab3dEf6hIj9lMn2";
    const text = `401 for ${key} at postgres://user:hunter2@db, password=hunter2`;
    const { livetail, url, dump } = await open("redis", { redactPatterns: [/IBAN \w+/] });
    const run = livetail.createOperationRun("s", "op", { metadata: { text, [text]: 1 } });
    const error = Object.assign(new Error(text, { cause: new Error(text) }), { body: text });
    for (const holder of [text, { text }, [[text]], new Map([[text, text]]), error, { error }, "IBAN hunter2"]) {
      run.log(holder);
      run.log("text", { holder });
      run.logger.child({ holder }).info(text, { holder });
      run.logger.layerError("layer", holder, { holder });
      run.layer("fetch", "running", text, { holder });
      livetail.createLogCallback(run.id)("joined", { holder });
      run.logOutput(JSON.stringify({ message: "printed", holder }), "stdout");
    }
    run.logOutput(text, "stderr");
    run.logOutput(`[page_fetched] text=${text}`);
    await run.fail(error);
    const stored = await dump();
    expect(stored.match(/sk-proj-\[redacted\]/g)?.length).toBeGreaterThan(100);
    expect(stored.match(/.{80}(hunter2|Ab3dEf6)/gi) ?? []).toEqual([]);
    const { logs } = (await ask(url, `/${run.id}`)).json<PollAnswer>();
    expect(logs[0]?.message).toBe("401 for sk-proj-[redacted] at postgres://user:[redacted]@db, password=[redacted]");
    const other = livetail.createOperationRun("s", "op");
    await other.complete({ token: SECRET, text });
    expect((await ask(url, `/${other.id}/result`)).json()).toEqual({ token: SECRET, text });
  });
});

describe.each(["memory", "redis"] as const)("names that are those of prototypes, in %s", (kind) => {
  const NAMES = ["__proto__", "constructor", "prototype", "toString", "valueOf", "hasOwnProperty", "__defineGetter__"];
  const shape = (): unknown =>
    [Object, Function, Array, String, Map, Promise].map((type) => [
      Object.getOwnPropertyNames(type.prototype),
      Object.getOwnPropertyNames(type),
    ]);
  const evil = `{"__proto__":{"polluted":1,"isAdmin":true},"constructor":{"prototype":{"polluted":1}},"toString":"x"}`;

  it("change no prototype, and stay what they are in lines, layers, metadata and totals", async () => {
    const before = shape();
    const { livetail, url } = await open(kind);
    const run = livetail.createOperationRun("__proto__", "constructor", { metadata: JSON.parse(evil) });
    run.log("text", JSON.parse(evil));
    run.log(JSON.parse(evil));
    run.logger.child(JSON.parse(evil)).info("event", { ...JSON.parse(evil), metadata: JSON.parse(evil) });
    for (const line of [evil, `{"message":"m","metadata":${evil}}`, `❌ layer_key: ${evil}`])
      run.logOutput(line, "stdout");
    run.logOutput("[event_name] __proto__=1, constructor=2, __proto__.polluted=3", "stdout");
    for (const name of NAMES) {
      run.layer(name, name as never, name, JSON.parse(evil));
      run.logger.llmCallComplete({ backend: name, model: name, layer: name, cost_usd: 0.5 });
      run.logger.llmCallError({ backend: name, stepName: name }, new Error(name));
    }
    await run.complete(JSON.parse(evil));

    const poll = (await ask(url, `/${run.id}?limit=1000`)).json<PollAnswer>();
    const own = (value: unknown, name: string): unknown => Object.getOwnPropertyDescriptor(value, name)?.value;
    expect(own(poll.logs[0]?.metadata, "__proto__")).toEqual({ polluted: 1, isAdmin: true });
    expect(own(poll.logs[0]?.metadata, "constructor")).toEqual({ prototype: { polluted: 1 } });
    for (const { message, metadata, index } of poll.logs) {
      expect([index, typeof message, Object.getPrototypeOf(metadata) === Object.prototype]).toEqual([
        index,
        "string",
        true,
      ]);
    }
    expect(Object.keys(poll.layer_status)).toEqual(NAMES);
    for (const name of NAMES) {
      expect(own(poll.layer_status, name)).toMatchObject({ status: "running", message: name });
    }
    const { backends, total } = poll.backend_stats;
    const stat = { calls: 2, errors: 1, cost_usd: 0.5, unpriced_calls: 1 };
    const named = NAMES.filter((name) => name !== "__proto__");
    expect(Object.keys(backends).sort()).toEqual([...named, "other"].sort());
    for (const name of [...named, "other"]) expect(own(backends, name), name).toEqual(stat);
    expect(total).toEqual({ calls: 14, errors: 7, cost_usd: 3.5, unpriced_calls: 7 });

    const status = (await ask(url, `/${run.id}/status`)).json<StatusAnswer>();
    expect(JSON.stringify(status.metadata)).toBe(evil);
    expect(status.layers_total).toBe(NAMES.length);
    expect((await ask(url, `/${run.id}/result`)).text).toBe(evil);
    expect(shape()).toEqual(before);
  });

  it("may be ids of runs, of parents and children, and filters of the list", async () => {
    const before = shape();
    const { livetail, url } = await open(kind);
    const ids = NAMES.filter((name) => !name.startsWith("_"));
    const parent = livetail.createOperationRun("s", "op", { id: "constructor" });
    await parent.ready;
    for (const id of ids.slice(1)) {
      const run = livetail.createOperationRun(id, id, { id, parentId: "constructor" });
      run.log("line");
      await run.complete();
    }
    const status = (await ask(url, "/constructor/status")).json<StatusAnswer>();
    expect(status.children).toMatchObject({ completed: ids.length - 1, total: ids.length - 1 });
    expect((await ask(url, "/toString")).json<PollAnswer>().logs).toHaveLength(1);
    for (const id of ids.slice(1)) {
      const { runs } = (await ask(url, `/?operation=${id}&subject_id=${id}`)).json<ListAnswer>();
      expect(runs.map(({ run_id }) => run_id)).toEqual([id]);
    }
    expect(() => livetail.createOperationRun("s", "op", { id: "__proto__" })).toThrow("not a run id");
    const nonsense = "__proto__[polluted]=1&constructor[prototype][polluted]=1&__proto__.polluted=1&toString=1";
    for (const path of [`/?${nonsense}`, `/toString?${nonsense}`, `/toString/stream?${nonsense}`]) {
      expect([path, (await ask(url, path)).status]).toEqual([path, 200]);
    }
    await parent.complete();
    expect(shape()).toEqual(before);
  });
});

describe("hostile text in a request", () => {
  it("comes back in no header and no body, and adds no header", async () => {
    const { livetail, url } = await open("memory", { cors: { origins: ["https://ops.example"] } });
    const run = livetail.createOperationRun("s", "op");
    await run.complete();
    const known = (await ask(url, `/${run.id}?since=x`)).headers;
    const names = [...Object.keys(known), "allow", "retry-after", "content-disposition", "content-security-policy"];
    const allowed = new Set([
      ...names,
      "referrer-policy",
      "x-accel-buffering",
      "transfer-encoding",
      "vary",
      "keep-alive",
    ]);
    const agent = new Agent({ keepAlive: true, maxSockets: 20 });
    cleanups.push(() => agent.destroy());
    for (const { name, text } of HOSTILE_TEXTS) {
      const coded = encodeURIComponent(text.toWellFormed());
      const printable = text.replace(/[^\x20-\x7e]/g, "~");
      const headers = {
        "Last-Event-ID": printable,
        Origin: printable,
        Accept: `text/html,${printable}`,
        Cookie: printable,
      };
      const paths = [
        ...["cursor", "since", "tail", "limit", "wait"].map((parameter) => `/${run.id}?${parameter}=${coded}`),
        ...["status", "operation", "subject_id", "parent_id", "limit"].map((parameter) => `/?${parameter}=${coded}`),
        ...["", "/status", "/stream", "/view", "/download"].map((rest) => `/${coded}${rest}`),
        ...[`/${run.id}/${coded}`, `/-/${coded}`, `/${run.id}?${coded}=${coded}`, `/${run.id}/view?${coded}#${coded}`],
      ];
      const answers = await Promise.all(paths.map((path) => ask(url, path, { headers, agent })));
      for (const [i, answer] of answers.entries()) {
        const path = paths[i];
        const said = JSON.stringify(answer.headers) + answer.text;
        expect([name, path, Object.keys(answer.headers).filter((header) => !allowed.has(header))]).toEqual([
          name,
          path,
          [],
        ]);
        expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
        for (const mark of ["pwned", "injected", "Injected", coded, "127.0.0.1:9"]) {
          if (mark.length > 4) expect([path, mark, said.includes(mark)]).toEqual([path, mark, false]);
        }
      }
    }
  });
});
