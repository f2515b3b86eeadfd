/** A page in a real browser with a list of lines in it, under the strictest policy that a page can have. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Page } from "playwright-core";
import type { LineListGlobals } from "../fixtures/line-list-page.js";
import { launchBrowser } from "./browser.js";

/** The page, and whatever went wrong in it. */
export interface LineListPage {
  readonly page: Page;
  /** Errors, messages of errors, refusals of the policy, requests, dialogs and windows, none of which there may be. */
  readonly faults: string[];
  /** Runs in the page once the list has drawn what came before; what it is handed and returns is JSON. */
  run<Result, Argument = null>(
    body: (globals: LineListGlobals, argument: Argument) => Result | Promise<Result>,
    argument?: Argument,
  ): Promise<Result>;
  close(): Promise<void>;
}

const URL_OF_PAGE = "http://panel.test/";
const POLICY =
  "default-src 'none'; script-src 'nonce-page'; require-trusted-types-for 'script'; trusted-types 'none'; base-uri 'none'";

let script: Promise<string> | undefined;

/** Opens it; `size` is that of the window. */
export async function openLineListPage(size = { width: 1000, height: 600 }): Promise<LineListPage> {
  script ??= pageScript();
  const body = `<!doctype html><meta charset=utf-8><title>lines</title><body><script nonce=page>${await script}</script>`;
  const browser = await launchBrowser();
  const context = await browser.newContext({ viewport: size });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("dialog", (dialog) => {
    faults.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => faults.push(`error ${error}`));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console ${message.text()}`);
  });
  page.on("popup", () => faults.push("popup"));
  await page.route("**/*", async (route) => {
    const url = route.request().url();
    if (url === URL_OF_PAGE) {
      const headers = { "Content-Type": "text/html", "Content-Security-Policy": POLICY };
      await route.fulfill({ body, headers });
    } else {
      faults.push(`request ${url}`);
      await route.abort();
    }
  });
  await page.goto(URL_OF_PAGE);
  return {
    page,
    faults,
    async run(body, argument) {
      await drawn(page);
      return page.evaluate(`(${body})(globalThis, ${JSON.stringify(argument ?? null)})`) as Promise<never>;
    },
    close: () => context.close(),
  };
}

/** Until the list has had frames to settle in. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate(async () => {
    for (let frame = 0; frame < 3; frame++) await new Promise((next) => requestAnimationFrame(next));
  });
}

async function pageScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../fixtures/line-list-page.ts", import.meta.url))],
    bundle: true,
    minify: true,
    platform: "browser",
    format: "iife",
    write: false,
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild made no file");
  return file.text.replaceAll("</script", "<\\/script");
}
