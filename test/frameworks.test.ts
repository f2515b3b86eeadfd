/** Runs in components of frameworks, in a real browser and at a real server; and where there is no browser. */
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createSSRApp, h } from "vue";
import { renderToString as renderVue } from "vue/server-renderer";
import { useRun as useReactRun } from "../src/client/react.js";
import { useRun as useVueRun } from "../src/client/vue.js";
import { type FrameworkGlobals, openFrameworkPage } from "./support/framework-page.js";
import { lineTexts } from "./support/line-viewer.js";
import { startRestartableServer } from "./support/restartable-server.js";
import { until } from "./support/until.js";

vi.setConfig({ testTimeout: 90_000 });

const PATIENT_MS = 30_000;

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A run, a server of it, and a page with a framework's component. */
async function scene(framework: string, lines: string[] = []) {
  const server = await startRestartableServer();
  open.push(() => server.close());
  const run = server.writing.createOperationRun("job", "framework");
  for (const line of lines) run.log(line);
  await run.flush();
  const visitor = await openFrameworkPage(server.origin, `${framework}-page`);
  open.push(() => visitor.close());
  const { page } = visitor;
  const shown = page.locator("pre");
  return {
    server,
    run,
    visitor,
    shown,
    mount: (runId: string | null, options = {}) =>
      page.evaluate(([id, given]) => (globalThis as unknown as FrameworkGlobals).mount(id, given), [
        runId,
        options,
      ] as const),
    show: (runId: string) => page.evaluate((id) => (globalThis as unknown as FrameworkGlobals).show(id), runId),
    unmount: () => page.evaluate(() => (globalThis as unknown as FrameworkGlobals).unmount()),
    renders: () => page.evaluate(() => (globalThis as unknown as FrameworkGlobals).renders),
    says: (lines: string[]) =>
      vi.waitFor(async () => expect((await shown.textContent())?.split("\n")).toEqual(lines), {
        timeout: PATIENT_MS,
        interval: 20,
      }),
    has: (name: string, value: string) => page.locator(`pre[data-${name}="${value}"]`).waitFor({ state: "attached" }),
  };
}

describe.each(["react", "vue"])("a run in %s", (framework) => {
  it("is its lines as they come, its status, and its end", async () => {
    const { run, visitor, mount, says, has } = await scene(framework, ["first"]);
    await mount(run.id);
    await says(["first"]);
    await has("status", "running");
    run.log("second");
    await says(["first", "second"]);
    await run.fail(new Error("no paper"));
    await has("end", "failed");
    await has("status", "failed");
    expect(visitor.faults).toEqual([]);
  });

  it("is rendered once for a batch of lines, and keeps the newest", async () => {
    const { run, mount, says, renders } = await scene(framework, ["first"]);
    await mount(run.id, { maxLines: 50 });
    await says(["first"]);
    const before = await renders();
    for (const line of lineTexts(300)) run.log(line);
    await run.flush();
    await says(lineTexts(300).slice(250));
    // Strict mode renders twice. A second answer may bring the rest.
    expect((await renders()) - before).toBeLessThanOrEqual(4);
  });

  it("asks with one poller, however often it is mounted, and with none when it is gone", async () => {
    const { server, run, mount, unmount, says } = await scene(framework, ["first"]);
    await mount(run.id);
    await says(["first"]);
    await until(() => server.serving.handler.viewers() === 1, "a held poll", PATIENT_MS);
    // The one that was answered at once, and the one that is held.
    expect(server.asked).toHaveLength(2);
    await unmount();
    await until(() => server.serving.handler.viewers() === 0, "its end", PATIENT_MS);
    run.log("second");
    await run.complete();
    expect(server.asked).toHaveLength(2);
  });

  it("waits for an id, and begins anew with another", async () => {
    const { server, run, mount, show, says, has } = await scene(framework, ["of the first"]);
    await mount(null);
    await says([""]);
    expect(server.asked).toEqual([]);
    await show(run.id);
    await says(["of the first"]);
    await until(() => server.serving.handler.viewers() === 1, "a held poll", PATIENT_MS);
    const other = server.writing.createOperationRun("job", "other");
    other.log("of the other");
    await other.complete();
    await show(other.id);
    await says(["of the other"]);
    await has("end", "completed");
    await until(() => server.serving.handler.viewers() === 0, "the end of both", PATIENT_MS);
  });

  it("says what is wrong while the server is away, and nothing when it is back", async () => {
    const { server, run, mount, says, has, shown } = await scene(framework, ["first"]);
    await mount(run.id);
    await says(["first"]);
    await server.kill();
    await has("error", "NO_ANSWER");
    await server.start();
    await vi.waitFor(async () => expect(await shown.getAttribute("data-error")).toBeNull(), { timeout: PATIENT_MS });
    await says(["first"]);
    await run.complete();
    await has("end", "completed");
  });
});

describe("a run where there is no browser", () => {
  const asked = vi.fn();
  const options = { endpointBase: "/operations", fetch: asked };

  it("is what is known before the first answer, in React and in Vue, and asks for nothing", async () => {
    const Run = () => {
      const { status, lines } = useReactRun("op_x", options);
      return createElement("p", null, `${status} ${lines.length}`);
    };
    expect(renderToString(createElement(Run))).toBe("<p>null 0</p>");
    const app = createSSRApp({
      setup() {
        const run = useVueRun("op_x", options);
        return () => h("p", `${run.status} ${run.lines.length}`);
      },
    });
    expect(await renderVue(app)).toBe("<p>null 0</p>");
    expect(asked).not.toHaveBeenCalled();
  });
});
