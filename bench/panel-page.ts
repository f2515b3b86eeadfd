/** A page with the panel of a run, which tells how its frames went while it was watched. */

/** What was seen of the panel meanwhile. */
export interface PanelSight {
  /** Milliseconds between two frames that 95 of 100 stayed within. */
  p95: number;
  /** The longest, in milliseconds. */
  longest: number;
  /** Tasks over 50 ms, as the browser tells a page of them. */
  longTasks: number;
  /** Lines that came. */
  lines: number;
  /** Lines that the search found. */
  found: number;
}

/** The page of a run; `ready(lines)` resolves when so many lines were shown and searched, `watch(ms)` to a `PanelSight`. */
export const panelPage = (runId: string): string => `<!doctype html>
<title>bench</title>
<link rel="icon" href="data:,">
<style>html, body { margin: 0; height: 100%; } livetail-panel { height: 100%; }</style>
<script>
let lines = 0;
addEventListener("livetail-log", ({ detail }) => { lines += detail.length; });
</script>
<script src="/operations/-/panel.js"></script>
<livetail-panel src="/operations" run-id="${runId}"></livetail-panel>
<script>
const frame = () => new Promise((next) => requestAnimationFrame(next));
const part = (name) => document.querySelector("livetail-panel").shadowRoot.querySelector("." + name);
const found = () => Number(part("found").textContent.split("/")[1]);

async function ready(expected) {
  while (lines < expected) await frame();
  part("search").value = "file";
  part("search").dispatchEvent(new Event("input"));
  for (let before = -1; !(found() > 0 && found() === before); ) {
    before = found();
    for (let i = 0; i < 30; i += 1) await frame();
  }
  document.querySelector("livetail-panel").dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
  await frame();
}

async function watch(ms) {
  let longTasks = 0;
  const observer = new PerformanceObserver((list) => { longTasks += list.getEntries().length; });
  observer.observe({ type: "longtask" });
  const frames = [];
  const linesBefore = lines;
  const begun = await frame();
  for (let before = begun; before < begun + ms; ) {
    const now = await frame();
    frames.push(now - before);
    before = now;
  }
  observer.disconnect();
  frames.sort((a, b) => a - b);
  return {
    p95: frames[Math.floor(frames.length * 0.95)],
    longest: frames.at(-1),
    longTasks,
    lines: lines - linesBefore,
    found: found(),
  };
}
</script>
`;
