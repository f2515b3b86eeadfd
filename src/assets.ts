/** The browser bundles that the handler serves: built files beside this one, read once. */
import { readFileSync } from "node:fs";

const texts = new Map<string, string | null>();

/** The text of a bundle in `dist/browser`, or null when it was not built. */
export function readAsset(name: string): string | null {
  let text = texts.get(name);
  if (text === undefined) {
    text = null;
    // Built code lies in dist/, sources beside it in src/.
    for (const folder of ["./browser/", "../dist/browser/"]) {
      try {
        text = readFileSync(new URL(folder + name, import.meta.url), "utf8");
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    texts.set(name, text);
  }
  return text;
}
