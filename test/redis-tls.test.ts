/** Redis by TLS, with certificates that the tests make. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { Redis as Redis6 } from "ioredis6";
import { afterAll, describe, expect, it } from "vitest";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { makeCertificates } from "./support/certificates.js";
import { freePort, startRedis } from "./support/redis.js";
import { until } from "./support/until.js";

const HOST = "127.0.0.1";
const certificates = await makeCertificates();
const port = await freePort();
const server = await startRedis({
  args: [
    ...["--tls-port", String(port), "--tls-auth-clients", "no"],
    ...["--tls-ca-cert-file", certificates.ca],
    ...["--tls-cert-file", certificates.cert, "--tls-key-file", certificates.key],
  ],
}).catch((cause) => {
  throw new Error("These tests need a redis-server that was built with TLS (BUILD_TLS=yes), as Debian's is.", {
    cause,
  });
});
afterAll(async () => {
  await server.stop();
  certificates.remove();
});

const url = `rediss://${HOST}:${port}`;
const trusting = { tls: { ca: readFileSync(certificates.ca) } };
const mistrusting = { tls: { ca: readFileSync(certificates.otherCa) } };

function open(redis: NonNullable<LivetailOptions["redis"]>, options: LivetailOptions = {}) {
  const heard: string[] = [];
  const onError: LivetailOptions["onError"] = ({ code, message }) => heard.push(`${code}: ${message}`);
  return { heard, livetail: createLivetail({ redis, onError, ...options }) };
}

async function messages({ store }: Livetail, runId: string): Promise<string[]> {
  const from = { kind: "at", epoch: "", index: 0 } as const;
  const answer = await store.read({ runId, from, limit: 1000, known: null });
  return (answer?.lines ?? []).map((line): string => JSON.parse(line).message);
}

describe.each([
  ["options", () => ({ host: HOST, port, ...trusting })],
  ["a client of ioredis 5", () => new Redis(url, { ...trusting, lazyConnect: true })],
  ["a client of ioredis 6", () => new Redis6(url, { ...trusting, lazyConnect: true })],
] as const)("Redis by TLS, given by %s", (_name, input) => {
  it("carries runs and hints, and is connected to again after a restart", async () => {
    const { heard, livetail } = open(input(), { commandTimeoutMs: 500 });
    const run = livetail.createOperationRun("subject", "tls");
    let hints = 0;
    livetail.store.watch(run.id, ({ next }) => {
      if (next > 0) hints += 1;
    });
    const log = (line: string) => async (): Promise<boolean> => {
      run.log(line);
      await run.flush();
      return hints > 0;
    };
    await until(log("before"), "a hint");
    await server.restart();
    hints = 0;
    await until(log("after"), "a hint after the restart");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    const found = await messages(livetail, run.id);
    expect(found).toEqual([...found].sort().reverse());
    expect(new Set(found)).toEqual(new Set(["before", "after"]));
    await livetail.close();
    expect(heard.filter((each) => !/^STORE_(UNAVAILABLE|RECOVERED)/.test(each))).toEqual([]);
  });
});

describe("a rediss:// URL", () => {
  it("is all that a process needs whose environment names the authority", async () => {
    const runId = "op_tls-url";
    const program = fileURLToPath(new URL("./fixtures/one-run.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", program, url, runId, "3", "end"], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: certificates.ca },
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 25_000,
      killSignal: "SIGKILL",
    });
    const [printed, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
    expect({ printed: printed.trim(), code }).toEqual({ printed: "logged", code: 0 });
    const { livetail } = open(server.url);
    expect(await messages(livetail, runId)).toEqual(["line 0", "line 1", "line 2"]);
    await livetail.close();
  });
});

describe("a server whose certificate nobody trusts", () => {
  it.each([
    ["a URL", () => url],
    ["options with another authority", () => ({ host: HOST, port, ...mistrusting })],
    ["a client of ioredis 5", () => new Redis(url, { ...mistrusting, lazyConnect: true })],
    ["a client of ioredis 6", () => new Redis6(url, { ...mistrusting, lazyConnect: true })],
  ] as const)("is one outage, told with its reason: %s", async (_name, input) => {
    const { heard, livetail } = open(input(), { commandTimeoutMs: 200, endTimeoutMs: 700 });
    const run = livetail.createOperationRun("subject", "mistrusted");
    run.log("line");
    expect(await run.complete()).toEqual({ status: "completed", stored: false });
    await livetail.close();
    expect(heard).toEqual([
      expect.stringMatching(/^STORE_UNAVAILABLE: Redis cannot be reached: (UNABLE_TO|SELF_SIGNED)_?[A-Z_]+\.$/),
    ]);
  });
});
