import { browser } from "./browser.js";
import { busyPolls } from "./busy-polls.js";
import { bytes } from "./bytes.js";
import { catchUp } from "./catch-up.js";
import { coverage } from "./coverage.js";
import { fanOutBurst } from "./fan-out-burst.js";
import { fanOutSteady } from "./fan-out-steady.js";
import { growth } from "./growth.js";
import { idlePolls } from "./idle-polls.js";
import { ingest } from "./ingest.js";
import { latency } from "./latency.js";
import { logCall } from "./log-call.js";
import { model } from "./model.js";
import type { Scenario } from "./scenario.js";

/** All of them, from the log call to the page. */
export const SCENARIOS: readonly Scenario[] = [
  logCall,
  ingest,
  idlePolls,
  busyPolls,
  coverage,
  catchUp,
  fanOutSteady,
  fanOutBurst,
  latency,
  growth,
  model,
  browser,
  bytes,
];
