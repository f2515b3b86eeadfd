/** A run that is silent for longer than the time-out of the proxy in front of its viewers. */
import { afterEach, expect, it, vi } from "vitest";
import { systemClock } from "../../src/clock.js";
import { startCurl } from "../support/curl.js";
import { length } from "../support/length.js";
import { startNginx } from "../support/nginx.js";
import { startRestartableServer } from "../support/restartable-server.js";
import { createScaledClock } from "../support/scaled-clock.js";

// nginx waits for 60 s. Here for 25 s; in the short form all times of the server pass 30 times as fast, and it has 2 s.
const FACTOR = length(1, 30);
const NGINX_SECONDS = length(25, 2);
const PINGS = length(2, 5);

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

it(`a stream lives on its pings through ${PINGS} of them, beyond the time-out of nginx, and a held poll is answered before it`, async () => {
  const server = await startRestartableServer({ clock: FACTOR === 1 ? systemClock : createScaledClock(FACTOR) });
  open.push(() => server.close());
  const nginx = await startNginx(server.port, `proxy_read_timeout ${NGINX_SECONDS}s;`);
  open.push(() => nginx.stop());
  const base = `http://127.0.0.1:${nginx.port}/operations`;
  const run = server.writing.createOperationRun("job", "idle");
  run.log("first");
  await run.flush();
  const curl = startCurl(`${base}/${run.id}/stream`);
  open.push(() => curl.stop());
  const began = performance.now();
  const { cursor } = (await (await fetch(`${base}/${run.id}`)).json()) as { cursor: string };
  const held = await fetch(`${base}/${run.id}?cursor=${cursor}&wait=20`);
  expect(held.status).toBe(200);
  expect(await held.json()).toMatchObject({ logs: [], cursor });
  const pings = () => curl.printed.split(": ping\n").length - 1;
  await vi.waitFor(() => expect(pings()).toBeGreaterThanOrEqual(PINGS), { timeout: 90_000, interval: 50 });
  expect(performance.now() - began).toBeGreaterThan(NGINX_SECONDS * 1000);
  run.log("after a silence");
  await vi.waitFor(() => expect(curl.printed).toContain("after a silence"), { timeout: 20_000, interval: 5 });
  await run.complete();
  expect(await curl.exited).toBe(0);
  expect(server.asked.filter(({ url }) => url.endsWith("/stream"))).toHaveLength(1);
}, 120_000);
