/**
 * Takes pictures of the panel to look at: `npm run looks -- FOLDER`. Each scene in light and dark and on a narrow
 * screen: whoever sees one for ten seconds should be able to name the run's state, its cost, the layer that failed and
 * what is missing.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Run } from "../src/run.js";
import { launchBrowser } from "./support/browser.js";
import { perform, playScene } from "./support/picture-scene.js";

const folder = process.argv[2];
if (folder === undefined) throw new Error("Which folder are the pictures for?");
mkdirSync(folder, { recursive: true });

async function performAndFail(run: Run): Promise<void> {
  await perform(run);
  run.layer("write_cv", "failed", "the model is overloaded");
  run.logger.layerError("write_cv", new Error("overloaded_error"));
  await run.fail(
    Object.assign(new Error("The model is overloaded, and so is the one after it."), { code: "OVERLOADED" }),
  );
}

/** Lines of all heights, with colours, fields and 16 KiB among them. */
async function performAtLength(run: Run): Promise<void> {
  for (let index = 0; index < 100_000; index += 1) {
    if (index % 5000 === 4990) run.log("0123456789abcdef ".repeat(960));
    else if (index % 4 === 0) run.log(`\u001b[32m✓\u001b[0m built \u001b[1mfile ${index}\u001b[0m in 12 ms`);
    else run.log({ message: `item ${index} was scored`, metadata: { score: index % 100 } });
    if (index % 1000 === 999) await run.flush();
  }
  await perform(run);
}

const SCENES = [
  { name: "running", maxLines: 1000, play: perform },
  { name: "gap", maxLines: 20, play: perform },
  { name: "failed", maxLines: 60, play: performAndFail },
  { name: "long", maxLines: 200_000, play: performAtLength },
];
const SCREENS = [
  { name: "light", colorScheme: "light", viewport: { width: 1040, height: 620 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1040, height: 620 } },
  { name: "narrow", colorScheme: "light", viewport: { width: 390, height: 760 } },
] as const;

const browser = await launchBrowser();
for (const { name, maxLines, play } of SCENES) {
  const scene = await playScene(maxLines, play);
  for (const { name: screen, ...options } of SCREENS) {
    const page = await browser.newPage(options);
    await page.goto(scene.url);
    await page.locator(".line", { hasText: "section 4 (388 words" }).waitFor();
    await page.locator(".operation", { hasText: "generate-cv" }).waitFor();
    if (name === "gap") await page.locator(".lines").evaluate((lines) => lines.scrollTo(0, 0));
    if (name === "long") await page.locator(".search").fill("file 9");
    await page.waitForTimeout(500);
    await page.screenshot({ path: join(folder, `${name}-${screen}.png`), animations: "disabled" });
    await page.close();
  }
  await scene.close();
}
await browser.close();
