import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { RETROFIT_FILE, retrofitDiff } from "./support/retrofit-diff.js";

const EXAMPLE = fileURLToPath(new URL("../examples/runner-service/", import.meta.url));
const diff = readFileSync(RETROFIT_FILE, "utf8");

/** The lines of a file's part that begin so. */
function changed(file: string, sign: "+" | "-"): string[] {
  const [, part = ""] = diff.split(`+++ b/after/${file}\n`);
  const [lines = ""] = part.split("\ndiff --git ");
  return lines.split("\n").filter((line) => line.startsWith(sign));
}

describe("the retrofit of the service", () => {
  it("is in retrofit.diff as git shows it, which `npm run retrofit-diff` writes anew", () => {
    expect(diff).toBe(retrofitDiff());
  });

  it("concerns a service that knew nothing of livetail", () => {
    for (const folder of ["before", "service"]) {
      for (const file of readdirSync(EXAMPLE + folder)) {
        expect(readFileSync(`${EXAMPLE}${folder}/${file}`, "utf8"), file).not.toMatch(/livetail/i);
      }
    }
  });

  it("takes out at most four lines of an operation, and puts in at most twenty", () => {
    for (const file of ["annotate-job.ts", "import-job.ts", "ingest-jobs.ts", "search-jobs.ts", "write-outreach.ts"]) {
      expect(changed(file, "-").length, file).toBeLessThanOrEqual(4);
      expect(changed(file, "+").length, file).toBeLessThanOrEqual(20);
      expect(changed(file, "+").join("\n"), file).toContain("layerStart");
    }
  });
});
