/** How much memory this process holds, garbage collected. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Megabytes of heap and buffers that are still held once what can be freed was freed. */
export async function heldMegabytes(): Promise<number> {
  // What a socket or a promise lets go of in a later turn is garbage only then.
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1_048_576;
}
