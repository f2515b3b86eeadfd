import type { TestRedis } from "../test/support/redis.js";
import type { Goal } from "./goals.js";
import type { Figure, Result } from "./rounds.js";

/** What a scenario is given. */
export interface BenchSetting {
  /** A server of the benchmark's own. */
  redis: TestRedis;
  /** Fewer and shorter rounds: a look, not a measurement. */
  quick: boolean;
}

/** One comparison. */
export interface Scenario {
  name: string;
  /** What is compared, in one sentence. */
  about: string;
  /** What is counted per second; left out where figures are answered. */
  unit?: string;
  /** Also print how long one took; for work that is done one at a time. */
  each?: "ns";
  /** What it is to reach. */
  goals: readonly Goal[];
  run(setting: BenchSetting): Promise<Result[] | Figure[]>;
}
