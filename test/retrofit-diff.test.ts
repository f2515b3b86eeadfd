import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { blocksOf } from "./support/documents.js";
import { RETROFIT_FILE, retrofitDiff } from "./support/retrofit-diff.js";

const EXAMPLE = fileURLToPath(new URL("../examples/runner-service/", import.meta.url));
const diff = readFileSync(RETROFIT_FILE, "utf8");

/** The lines of each file's part of a diff. */
function partsOf(text: string): Map<string, string[]> {
  const parts = [...text.matchAll(/^\+\+\+ b\/after\/(.*)\n((?:(?!diff --git |--- a\/).*\n)*)/gm)];
  return new Map(parts.map(([, file = "", lines = ""]) => [file, lines.trimEnd().split("\n")]));
}

const parts = partsOf(diff);
const changed = (file: string, sign: "+" | "-"): string[] =>
  (parts.get(file) ?? []).filter((line) => line.startsWith(sign));

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

  it("is shown in the documents as it is, in parts", () => {
    const shown = blocksOf("diff").filter(({ text }) => text.startsWith("--- a/"));
    expect(shown.length).toBeGreaterThan(0);
    for (const { text } of shown) {
      expect(partsOf(text).size).toBeGreaterThan(0);
      for (const [file, lines] of partsOf(text)) {
        const part = parts.get(file) ?? [];
        // Lines may be left out between those that are shown.
        let at = -1;
        for (const line of lines) {
          at = part.indexOf(line, at + 1);
          expect(at, `${line} in ${file}`).toBeGreaterThanOrEqual(0);
        }
      }
    }
  });
});
