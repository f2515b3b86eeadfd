/** A real operation: finds the files of a folder and says what it would cost to have a model read them. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "livetail";

/** What comes out: the result of the run. */
export interface Price {
  files: number;
  tokens: number;
  cost_usd: number;
}

/** The price list of an invented model, and the rule of thumb that a token is four characters. */
const USD_PER_TOKEN = 3 / 1_000_000;
const CHARACTERS_PER_TOKEN = 4;

/** Prices the files directly below `folder`. Rejects with what the file system says. */
export async function priceFiles(run: Run, folder: string): Promise<Price> {
  const logger = run.logger.child({ step_name: "price" });

  logger.layerStart("scan");
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  run.log(`found ${files.length} files`);
  logger.layerComplete("scan");

  logger.layerStart("price");
  const price: Price = { files: files.length, tokens: 0, cost_usd: 0 };
  for (const [i, file] of files.entries()) {
    // A viewer may have asked to cancel.
    run.signal.throwIfAborted();
    const { length } = await readFile(join(folder, file), "utf8");
    const tokens = Math.ceil(length / CHARACTERS_PER_TOKEN);
    const cost = tokens * USD_PER_TOKEN;
    price.tokens += tokens;
    price.cost_usd += cost;
    logger.info("file_priced", {
      message: `${file}: ${tokens} tokens`,
      backend: "price_list",
      cost_usd: cost,
      cost_source: "local",
    });
    run.layer("price", "running", undefined, { current: i + 1, total: files.length });
  }
  logger.layerComplete("price");
  return price;
}
