/**
 * Takes the README's picture of the panel: `npm run picture`. A run whose clock is wound forward is shown by a real
 * server in a real browser; nothing of the page is made up.
 */
import { fileURLToPath } from "node:url";
import { launchBrowser } from "./support/browser.js";
import { playScene } from "./support/picture-scene.js";

const FILE = fileURLToPath(new URL("../examples/runner-service/view.png", import.meta.url));

const scene = await playScene(60);
const browser = await launchBrowser();
const page = await browser.newPage({ viewport: { width: 1040, height: 470 }, colorScheme: "light" });
await page.goto(scene.url);
await page.locator(".line", { hasText: "section 4 (388 words" }).waitFor();
await page.locator(".operation", { hasText: "generate-cv" }).waitFor();
await page.screenshot({ path: FILE, animations: "disabled" });
await browser.close();
await scene.close();
