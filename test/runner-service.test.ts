/**
 * The retrofitted service in a real browser, on both frameworks, in one process and in two runners on Redis: what the
 * panel shows of each operation is what the operation says itself, and what the models know that it has cost.
 */
import { calcPrice } from "@pydantic/genai-prices";
import axe from "axe-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Framework } from "../examples/runner-service/demo/frameworks.js";
import type { Demo, DemoOptions } from "../examples/runner-service/demo/start-demo.js";
import type { ModelCall } from "../examples/runner-service/world/model-server.js";
import { parseLine } from "../src/line.js";
import type { LogEntry } from "../src/protocol.js";
import { ensureBuilt } from "./support/built.js";
import { openPanelPage, type PanelPage } from "./support/panel-page.js";
import { startRedis, type TestRedis } from "./support/redis.js";
import { until } from "./support/until.js";

// A deadline, not a wait: side by side they have four runners and more pages on a machine that others use, too.
vi.setConfig({ testTimeout: 120_000 });

const QUICK = 50;
const LEASE_MS = 3000;

interface Operation {
  name: string;
  layers: string[];
  /** What the lines must say for such a record: event → some of its fields, once for each line. */
  told(record: never): Record<string, object[]>;
}

const OPERATIONS: Operation[] = [
  {
    name: "import-job",
    layers: ["fetch", "extract", "store"],
    told: ({ title, company, seniority, skills }: Record<string, unknown>) => ({
      layer_complete: [{ title, company }, { seniority, skills }, {}],
    }),
  },
  {
    name: "search-jobs",
    layers: ["indeed", "bayt", "himalayas", "rank"],
    told: ({ found, ranking: [best] }: { found: number; ranking: { job_id: string }[] }) => ({
      search_complete: [{ found, best: best?.job_id }],
      // The second page of one site.
      retry_attempt: [{ status: 503 }],
    }),
  },
  {
    name: "ingest-jobs",
    layers: ["fetch", "score", "store"],
    told: (record: { ingested: number; failed: string[]; scores: Record<string, number> }) => ({
      job_scored: Object.values(record.scores).map((score) => ({ score })),
      scoring_failed: record.failed.map(() => ({})),
      ingest_complete: [{ ingested: record.ingested, failed: record.failed.length }],
    }),
  },
  {
    name: "annotate-job",
    layers: ["load", "annotate", "store"],
    told: ({ annotations }: { annotations: Record<"requirement" | "relevance", string>[] }) => ({
      annotation_added: annotations.map(({ requirement, relevance }) => ({ requirement, relevance })),
    }),
  },
  {
    name: "write-outreach",
    layers: ["contacts", "write"],
    told: (messages: { text: string }[]) => ({
      outreach_written: messages.map(({ text }) => ({ words: text.split(/\s+/).length })),
      llm_call_fallback: messages.map(() => ({ fallback_of: "anthropic" })),
    }),
  },
  {
    name: "write-cv",
    layers: ["analyse", "draft", "review", "store"],
    told: ({ text, score }: { text: string; score: number }) => ({
      decision_point: [...text.matchAll(/^## /gm)].map(() => ({})),
      validation_result: [{ passed: false }, { passed: true, score }],
      layer_complete: [{}, {}, {}, { words: text.split(/\s+/).length }],
    }),
  },
];

let redis: TestRedis;
const open: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  await ensureBuilt();
  redis = await startRedis({ own: true });
}, 180_000);

afterAll(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
  await redis?.stop();
});

async function start(options: DemoOptions): Promise<Demo> {
  // Loaded when the package is built, which it imports by name.
  const { startDemo } = await import("../examples/runner-service/demo/start-demo.js");
  const demo = await startDemo({ port: 0, speed: QUICK, leaseMs: LEASE_MS, ...options });
  open.push(demo);
  return demo;
}

async function visit(url: string): Promise<PanelPage> {
  const visitor = await openPanelPage(url);
  visitor.page.setDefaultTimeout(60_000);
  open.push(visitor);
  return visitor;
}

/** Clicks the button of an operation; resolves to its run, as the page names it, and to what the endpoint answers. */
async function click({ page }: PanelPage, operation: string): Promise<{ runId: string; answer(): Promise<unknown> }> {
  const response = page.waitForResponse((one) => one.request().method() === "POST");
  await page.evaluate(() => history.replaceState(null, "", "#"));
  await page.locator(`form[data-operation=${operation}] button`, { hasText: "Start" }).click();
  await page.waitForFunction(() => location.hash.length > 1);
  return { runId: new URL(page.url()).hash.slice(1), answer: async () => (await response).json() };
}

/** Has a page show a run that was started elsewhere. */
const show = ({ page }: PanelPage, runId: string): Promise<unknown> =>
  page.evaluate((id) => {
    Reflect.get(globalThis, "heard").messages.length = 0;
    location.hash = id;
  }, runId);

interface Seen {
  layers: string[];
  lines: string[];
  cost: string | null;
}

/** What a panel shows of an operation that has ended so. */
async function seenOf(visitor: PanelPage, operation: string, status: string): Promise<Seen> {
  const { page } = visitor;
  const head = page.locator(".header", { hasText: operation });
  await head.locator(".status", { hasText: status }).waitFor();
  await page.locator(".connection", { hasText: "ended" }).waitFor({ state: "attached" });
  const layers = await page
    .locator(".layer")
    .evaluateAll((chips) =>
      chips.map((chip) => `${chip.querySelector("bdi")?.textContent} ${(chip as HTMLElement).dataset.status}`),
    );
  return { layers, lines: await visitor.messages(), cost: await page.locator(".total").textContent() };
}

/** The lines of a run as they are stored. */
async function linesOf(url: string, runId: string): Promise<LogEntry[]> {
  const text = await (await fetch(`${url}/operations/${runId}/download`)).text();
  return text.trimEnd().split("\n").map(parseLine);
}

/** What calls cost by the price table, as a panel says it; zeros are hidden there. */
function costOf(calls: readonly ModelCall[]): string {
  const nano = calls.map(({ model, input_tokens, output_tokens }) =>
    Math.round((calcPrice({ input_tokens, output_tokens }, model)?.total_price ?? 0) * 1e9),
  );
  const usd = nano.reduce((sum, one) => sum + one, 0) / 1e9;
  const failed = calls.filter(({ status }) => status !== 200).length;
  const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;
  const amount = `$${usd.toFixed(9).replace(/0{1,7}$/, "")}`;
  return `${amount} ${count(calls.length, "call")} ${count(failed, "error")} ${failed} unpriced`;
}

/** Starts every operation on one page, and reads it on another, or on the same one. */
async function walk({ world }: Demo, starting: PanelPage, watching: PanelPage): Promise<void> {
  const { origin } = new URL(watching.page.url());
  await starting.page.selectOption("select[name=kind]", "recruiter");
  for (const { name, layers, told } of OPERATIONS) {
    const before = world.calls("demo").length;
    await show(watching, "");
    const { runId, answer } = await click(starting, name);
    if (watching !== starting) await show(watching, runId);
    const seen = await seenOf(watching, name, "completed");
    const lines = await linesOf(origin, runId);
    expect(seen).toEqual({
      layers: layers.map((layer) => `${layer} success`),
      lines: lines.map(({ message }) => message),
      cost: costOf(world.calls("demo").slice(before)),
    });

    const result = await (await fetch(`${origin}/operations/${runId}/result`)).json();
    // An endpoint that stayed as it was has its record in its answer.
    const record = name === "write-outreach" ? await answer() : result;
    for (const [event, fields] of Object.entries(told(record as never))) {
      const said = lines.filter((line) => line.event === event);
      expect(said.map(({ metadata, ...line }) => ({ ...line, ...metadata }))).toMatchObject(fields);
    }
  }
}

describe.concurrent.each<Framework>(["express", "fastify"])("the service on %s", (framework) => {
  it("shows of each operation what it says itself, in one process", async () => {
    const demo = await start({ framework });
    const visitor = await visit(demo.url);
    await walk(demo, visitor, visitor);
    expect(visitor.faults).toEqual([]);
    await visitor.page.evaluate(axe.source);
    const { violations }: axe.AxeResults = await visitor.page.evaluate(() => Reflect.get(globalThis, "axe").run());
    expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join()}`)).toEqual([]);
  });

  it("shows it through the other runner, and tells in time of a run whose runner was killed", async () => {
    const demo = await start({ framework, redis: `${redis.url}/${framework === "express" ? 1 : 2}` });
    const [killed, other] = demo.runners;
    if (killed === undefined || other === undefined) throw new Error("There are two runners.");
    const watching = await visit(demo.url);
    const dying = await visit(killed.url);
    demo.world.speed = 5;
    const clicked = click(dying, "write-cv");
    await until(() => demo.world.calls("demo").length > 0, "a first call of a model");
    // Nothing more is answered: what is known by now is all that there will be.
    demo.world.speed = 0.01;
    const answered = demo.world.calls("demo");
    const { runId: lostId } = await clicked;
    await show(watching, lostId);
    await watching.page.locator(".total", { hasText: costOf(answered) }).waitFor({ state: "attached" });
    const runners = watching.page.locator(".runners li");
    const killedAt = Date.now();
    await runners.filter({ hasText: "works on this run" }).locator("button", { hasText: "Kill" }).click();
    await runners.filter({ hasText: "worked on this run" }).waitFor();
    expect([killed.alive, other.alive]).toEqual([false, true]);
    await dying.close();
    demo.world.speed = QUICK;
    await runners.locator("button", { hasText: "Start again" }).click();
    await until(() => killed.alive, "the runner to come back");
    const starting = await visit(killed.url);
    const later = await visit(other.url);
    await walk(demo, starting, later);

    const seen = await seenOf(watching, "write-cv", "failed");
    const lines = await linesOf(other.url, lostId);
    expect(seen.lines).toEqual(lines.map(({ message }) => message));
    expect(seen.cost).toBe(costOf(answered));
    expect(lines.at(-1)).toMatchObject({ event: "owner_lost", level: "error" });
    expect(await watching.page.locator(".failure .code").textContent()).toBe("OWNER_LOST");
    const { finished_at } = await (await fetch(`${other.url}/operations/${lostId}/status`)).json();
    // The lease, four sweeps in a third of it each, and as much again for a machine that is busy.
    expect(Date.parse(finished_at) - killedAt).toBeLessThan(2 * LEASE_MS * (1 + 4 / 3));
    for (const { faults } of [watching, starting, later]) expect(faults).toEqual([]);
  });
});
