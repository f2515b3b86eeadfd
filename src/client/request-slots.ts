const SLOTS = Symbol.for("livetail.slots");

/**
 * Takes one of the two slots of an origin for a request that the server may hold; undefined when both are taken.
 * The returned function gives it back. The counts stand on `globalThis`, so that two bundles in a page share them.
 */
export function takeSlot(origin: string): (() => void) | undefined {
  const shared = globalThis as { [SLOTS]?: Record<string, number> };
  shared[SLOTS] ??= {};
  const held = shared[SLOTS];
  const count = held[origin] ?? 0;
  // A browser has six connections for all tabs of an origin (HTTP/1.1), and the page needs some itself.
  if (count > 1) return;
  held[origin] = count + 1;
  return () => {
    held[origin] = (held[origin] ?? 1) - 1;
  };
}
