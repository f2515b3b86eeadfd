/** How much memory a test takes beyond what it began with. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Figures in MB, counted from the beginning. */
export interface MemoryGrowth {
  /** The most that the process ever had. */
  peakRss: number;
  /** What is still held, garbage collected. */
  heldHeap: number;
}

/** A watch on the memory of this process. */
export interface MemoryWatch {
  /** Looks now. */
  sample(): void;
  /** Collects garbage and tells. */
  growth(): MemoryGrowth;
}

const MEGABYTE = 1_048_576;

/** Begins to watch, garbage collected. */
export function watchMemory(): MemoryWatch {
  collect();
  const before = process.memoryUsage();
  let peak = before.rss;
  const sample = (): void => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  return {
    sample,
    growth() {
      sample();
      collect();
      const held = process.memoryUsage().heapUsed - before.heapUsed;
      return { peakRss: Math.round((peak - before.rss) / MEGABYTE), heldHeap: Math.round((held / MEGABYTE) * 10) / 10 };
    },
  };
}
