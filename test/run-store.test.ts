import { afterEach, expect, it } from "vitest";
import {
  createRunStore,
  NO_RUN,
  type RunSnapshot,
  type RunStore,
  type RunStoreOptions,
} from "../src/client/run-store.js";
import { lineTexts } from "./support/line-viewer.js";
import { type RestartableOptions, startRestartableServer } from "./support/restartable-server.js";
import { until } from "./support/until.js";

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function scene(options: RestartableOptions = {}) {
  const server = await startRestartableServer(options);
  open.push(() => server.close());
  const run = server.writing.createOperationRun("job", "store");
  const store = (more: RunStoreOptions = {}) =>
    createRunStore(run.id, { endpointBase: server.base, pollInterval: 20, ...more });
  return { server, run, store };
}

/** Listens until the test is over; resolves to every snapshot that it was told of. */
function listen(store: RunStore): RunSnapshot[] {
  const told: RunSnapshot[] = [];
  open.push(store.subscribe(() => told.push(store.getSnapshot())));
  return told;
}

const messages = (store: RunStore): string[] => store.getSnapshot().lines.map(({ message }) => message);

it("tells a batch of lines once, with all that came with it", async () => {
  const { run, store } = await scene();
  for (const line of lineTexts(400)) run.log(line);
  run.layer("fetch", "running");
  await run.flush();
  const watched = store();
  expect(watched.getSnapshot()).toBe(NO_RUN);
  const told = listen(watched);
  await until(() => told.length > 0, "the first answer");
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({
    status: "running",
    layers: { fetch: { status: "running" } },
    stats: { total: { calls: 0 } },
    owner: { state: "live" },
    missing: 0,
    completion: null,
    error: null,
  });
  expect(messages(watched)).toEqual(lineTexts(400));
  await run.complete();
});

it("is the same object until something changes, and so are the parts that have not", async () => {
  const { run, store } = await scene();
  run.log("first");
  await run.flush();
  const watched = store();
  const told = listen(watched);
  await until(() => told.length === 1, "the first answer");
  const [first] = told;
  expect(watched.getSnapshot()).toBe(first);
  run.log("second");
  await until(() => told.length === 2, "the second line");
  expect(watched.getSnapshot()).not.toBe(first);
  expect(watched.getSnapshot().layers).toBe(first?.layers);
  expect(first?.lines).toHaveLength(1);
  await run.complete();
  await until(() => watched.getSnapshot().completion !== null, "the end");
  expect(watched.getSnapshot()).toMatchObject({ status: "completed", completion: { status: "completed" } });
});

it("keeps the newest lines, at most as many as it is told, and counts those that cannot be had", async () => {
  const { run, store } = await scene({ maxLines: 20 });
  for (const line of lineTexts(50)) run.log(line);
  await run.complete();
  const [some, none] = [store({ maxLines: 7 }), store({ maxLines: 0 })];
  listen(some);
  listen(none);
  await until(() => [some, none].every((watched) => watched.getSnapshot().completion !== null), "the end");
  expect(messages(some)).toEqual(lineTexts(50).slice(43));
  expect(messages(none)).toEqual([]);
  expect(some.getSnapshot().missing).toBe(30);
});

it("begins anew when the run's numbering does", async () => {
  const { server, run, store } = await scene({ maxLines: 20 });
  for (const line of lineTexts(50)) run.log(line);
  await run.flush();
  const watched = store();
  listen(watched);
  await until(() => watched.getSnapshot().missing === 30, "the lines");
  await server.forgetEverything();
  const again = server.writing.createOperationRun("job", "store", { id: run.id });
  again.log("anew");
  await until(() => messages(watched).join() === "anew", "the new line");
  expect(watched.getSnapshot().missing).toBe(0);
  await again.complete();
});

it("asks once for a listener that comes, leaves and comes again in one turn, and goes on where it stopped", async () => {
  const { server, run, store } = await scene();
  run.log("first");
  await run.flush();
  const watched = store();
  const changes = () => {};
  watched.subscribe(changes)();
  const leave = [watched.subscribe(changes), watched.subscribe(changes)];
  await until(() => messages(watched).length === 1, "the line");
  await until(() => server.asked.length === 2, "a held poll");
  leave[0]?.();
  leave[0]?.();
  await until(() => server.serving.handler.viewers() === 1, "one viewer");
  leave[1]?.();
  await until(() => server.serving.handler.viewers() === 0, "no viewer");
  run.log("second");
  await run.complete();
  expect(server.asked).toHaveLength(2);
  listen(watched);
  await until(() => watched.getSnapshot().completion !== null, "the end");
  expect(messages(watched)).toEqual(["first", "second"]);
});

it("says why it has given up, and asks for nothing without an id or when the run is over", async () => {
  const { server, run, store } = await scene({
    authorize: ({ header }) => header("x-key") === "1" || { status: 403, message: "Not for you." },
  });
  await run.complete();
  const refused = store();
  listen(refused);
  await until(() => refused.getSnapshot().error !== null, "the refusal");
  expect(refused.getSnapshot()).toMatchObject({ error: { code: "FORBIDDEN", fatal: true }, status: null });
  const allowed = store({ headers: { "x-key": "1" } });
  listen(allowed);
  await until(() => allowed.getSnapshot().completion !== null, "the end");
  const asked = server.asked.length;
  listen(allowed);
  listen(createRunStore(null, { endpointBase: server.base }));
  expect((await fetch(`${server.origin}/other`)).status).toBe(200);
  expect(server.asked).toHaveLength(asked);
});
