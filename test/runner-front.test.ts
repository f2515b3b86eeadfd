/** The front of the example's runners: what it hands on, what it keeps to itself, and whom it asks when one refuses. */
import { once } from "node:events";
import { request } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { type Front, startFront } from "../examples/runner-service/demo/front.js";
import { freePort } from "./support/redis.js";
import { served } from "./support/served.js";
import { until } from "./support/until.js";

type Listener = Parameters<typeof served>[0];

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function runner(listener: Listener): Promise<string> {
  const one = await served(listener);
  opened.push(one);
  return one.url;
}

async function front(...runners: string[]): Promise<Front> {
  const one = await startFront(0, { runners: () => runners });
  opened.push(one);
  return one;
}

const refusing = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;

const namedAs =
  (name: string): Listener =>
  (_req, res) =>
    res.end(name);

describe("the front", () => {
  it("asks its runners in turn, and another one when one refuses, whatever the request", async () => {
    const { url } = await front(await runner(namedAs("a")), await refusing(), await runner(namedAs("b")));
    const answers: string[] = [];
    for (let i = 0; i < 6; i++) answers.push(await (await fetch(url, { method: "POST", body: "x" })).text());
    expect(answers).toEqual(["a", "b", "b", "a", "b", "b"]);
  });

  it("answers 502 when nobody is left", async () => {
    const { url } = await front(await refusing(), await refusing());
    expect((await fetch(url)).status).toBe(502);
  });

  it("repeats a request that only reads when its runner dies, and no other, because it may have been done", async () => {
    let asked = 0;
    const dying = await runner((req) => {
      asked += 1;
      req.socket.destroy();
    });
    const { url } = await front(dying, await runner(namedAs("b")));
    expect(await (await fetch(url)).text()).toBe("b");
    await (await fetch(url)).text();
    await expect(fetch(url, { method: "POST" })).rejects.toThrow();
    expect(asked).toBe(2);
  });

  it("hands on method, path, query, body, status and headers, but for those between two neighbours", async () => {
    const { url } = await front(
      await runner((req, res) => {
        const { host, connection, "x-mine": mine, "x-hop": hop, te } = req.headers;
        res.setHeader("Set-Cookie", ["a=1", "b=2"]).setHeader("Keep-Alive", "timeout=77").setHeader("X-Yours", "2");
        res.writeHead(418);
        let body = "";
        req.on("data", (chunk) => (body += chunk));
        req.on("end", () =>
          res.end(JSON.stringify({ method: req.method, url: req.url, body, host, connection, mine, hop, te })),
        );
      }),
    );
    const asked = request(`${url}/a%2Fb?c=d`, {
      method: "PUT",
      headers: { "X-Mine": "1", "X-Hop": "1", TE: "trailers", Connection: "close, x-hop" },
    });
    asked.end("hello");
    const [answer] = await once(asked, "response");
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk);
    expect(JSON.parse(String(Buffer.concat(chunks)))).toEqual({
      ...{ method: "PUT", url: "/a%2Fb?c=d", body: "hello", host: new URL(url).host, mine: "1", connection: "close" },
    });
    expect(answer.statusCode).toBe(418);
    expect(answer.headers).toMatchObject({ "set-cookie": ["a=1", "b=2"], "x-yours": "2" });
    expect(answer.headers["keep-alive"]).not.toBe("timeout=77");
  });

  it("hands on a stream piece by piece, and tells the runner when its viewer has left", async () => {
    let write: (text: string) => void = () => {};
    let left = false;
    const streaming = await runner((_req, res) => {
      res.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
      write = (text) => res.write(text);
      res.once("close", () => {
        left = true;
      });
    });
    const { url } = await front(streaming);
    const leave = new AbortController();
    const answer = await fetch(url, { signal: leave.signal });
    const reader = answer.body?.getReader();
    for (const text of ["data: 1\n\n", "data: 2\n\n"]) {
      write(text);
      expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(text);
    }
    expect(left).toBe(false);
    leave.abort();
    await until(() => left, "the runner to hear of it");
  });

  it("cuts an answer whose runner dies in the midst of it", async () => {
    const dying = await runner((req, res) => {
      res.write("half");
      setImmediate(() => req.socket.destroy());
    });
    const { url } = await front(dying);
    await expect(fetch(url).then((answer) => answer.text())).rejects.toThrow();
  });
});
