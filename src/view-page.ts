/** A run as a page: status, layers, cost and lines, live. */
import { escapeHtml, newNonce, type Page, page } from "./html.js";

const STYLE = `
:root { color-scheme: light dark; font: 14px/1.5 system-ui, sans-serif; }
body { margin: 0; display: grid; grid-template-rows: auto 1fr; height: 100vh; }
header { padding: .75rem 1rem; border-bottom: 1px solid #8884; }
h1 { font-size: 1rem; margin: 0; }
#facts, #layers { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .25rem 0 0; padding: 0; list-style: none; }
#lines { margin: 0; padding: .5rem 1rem; overflow: auto; font: 12px/1.5 ui-monospace, monospace; list-style: none; }
#lines li { white-space: pre-wrap; overflow-wrap: anywhere; }
time { opacity: .6; }
.warn { color: #b58900; } .error, .failed { color: #dc322f; } .debug { opacity: .6; } .success, .completed { color: #2aa198; }
.note { font-style: italic; opacity: .8; }
`;

/**
 * What runs in the page. Text of the run gets into it as text nodes only. Its requests are relative to its own URL,
 * so that it works behind whatever a proxy makes of the mount.
 */
const SCRIPT = `
const $ = (id) => document.getElementById(id);
const runId = document.querySelector("header").dataset.run;
const base = new URL("..", location.href).pathname.replace(/\\/$/, "");
const MOST_LINES = 5000;
const ANSI = /\\u001b\\[[0-9;?]*[A-Za-z]/g;

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
function add(item) {
  const list = $("lines");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(item);
  while (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}
function showStatus(text, className = text) {
  $("status").textContent = text;
  $("status").className = className;
}

try {
  const { LogPoller } = globalThis.Livetail;
  new LogPoller(runId, {
    endpointBase: base,
    onLog(entry) {
      const time = element("time", "", entry.timestamp ? entry.timestamp.slice(11, 19) + " " : "");
      const item = element("li", entry.level, time, entry.message.replace(ANSI, ""));
      item.dataset.index = entry.index;
      add(item);
    },
    onLayerStatus(layers) {
      const byOrder = Object.entries(layers).sort(([, a], [, b]) => a.order - b.order);
      $("layers").replaceChildren(...byOrder.map(([name, layer]) => {
        const progress = layer.total === undefined ? "" : " " + (layer.current ?? 0) + "/" + layer.total;
        // A name that turns the direction of writing must not turn what is said of it.
        return element("li", layer.status, element("bdi", "", name), ": " + layer.status + progress);
      }));
    },
    onBackendStats({ total }) {
      const unpriced = total.unpriced_calls > 0 ? ", " + total.unpriced_calls + " unpriced" : "";
      $("cost").textContent = total.calls === 0 ? "" : total.calls + (total.calls === 1 ? " call, $" : " calls, $") + total.cost_usd + unpriced;
    },
    onStatus: (status) => showStatus(status),
    onOwner: ({ state }) => { $("owner").textContent = state === "stalled" || state === "lost" ? "owner " + state : ""; },
    onGap: ({ lost, reason }) => add(element("li", "note", lost + " lines " + reason)),
    onReset: () => $("lines").replaceChildren(element("li", "note", "the numbering began anew")),
    onComplete: ({ status }) => showStatus(status),
    // What passes is tried again; only what does not is worth a word.
    onError: (error) => { if (error.fatal) showStatus(error.message, "error"); },
  }).start();
} catch (error) {
  showStatus("The script of this page could not be loaded: " + error.message, "error");
}
`;

/** Makes the page of a run, whether the run is stored yet or not. */
export function viewPage(runId: string): Page {
  const nonce = newNonce();
  const id = escapeHtml(runId);
  const body = `<header data-run="${id}">
<h1>${id}</h1>
<div id="facts"><span id="status">…</span><span id="owner"></span><span id="cost"></span></div>
<ul id="layers"></ul>
</header>
<ol id="lines" role="log" aria-live="polite"></ol>
<script nonce="${nonce}" src="../-/client.js"></script>
<script type="module" nonce="${nonce}">${SCRIPT}</script>`;
  return page(runId, nonce, STYLE, body);
}
