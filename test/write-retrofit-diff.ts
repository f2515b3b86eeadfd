/** Writes the diff between the two services of the example: `npm run retrofit-diff`. */
import { writeFileSync } from "node:fs";
import { RETROFIT_FILE, retrofitDiff } from "./support/retrofit-diff.js";

writeFileSync(RETROFIT_FILE, retrofitDiff());
