const OPERATIONS = "/operations";
const panel = document.querySelector("livetail-panel");
const job = document.getElementById("job");

/** Shows a run, also when the page is loaded anew. */
function show(runId) {
  panel.runId = runId;
  history.replaceState(null, "", `#${runId}`);
  panel.scrollIntoView({ block: "nearest" });
}

async function newestRun(operation) {
  const answer = await fetch(`${OPERATIONS}?operation=${operation}&limit=1`);
  return (await answer.json()).runs[0]?.run_id;
}

/** Sends the request of a card; resolves to its run as soon as that can be watched. */
async function start(form) {
  const { operation, path, body } = form.dataset;
  const fill = (text) => text.replace(/\{(\w+)\}/g, (_, name) => (form.elements[name] ?? job).value);
  const before = await newestRun(operation);
  const headers = { "Content-Type": "application/json" };
  const answer = fetch(fill(path), { method: "POST", headers, body: fill(body) }).then(async (response) => {
    if (!response.ok && !response.headers.has("X-Run-Id")) throw new Error(await response.text());
    return response.headers.get("X-Run-Id");
  });
  // What becomes of a run that is shown, the panel tells.
  answer.catch(() => {});
  // An endpoint that answers at its end names its run then; it is in the list long before.
  for (;;) {
    const runId = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 500))]);
    if (runId) return runId;
    const newest = await newestRun(operation);
    if (newest !== before) return newest;
  }
}

/** Keeps a card's line about its run up to date. */
function follow(form, runId) {
  const output = form.querySelector("output");
  const [text, again] = [document.createElement("span"), document.createElement("button")];
  again.type = "button";
  again.textContent = "show";
  again.onclick = () => show(runId);
  output.replaceChildren(text, " ", again);
  let cost = 0;
  const say = (status, what) => {
    output.dataset.status = status;
    text.textContent = cost > 0 ? `${what} ($${cost.toFixed(4)})` : what;
  };
  form.poller?.stop();
  const poller = new Livetail.LogPoller(runId, { endpointBase: OPERATIONS });
  form.poller = poller;
  poller.onBackendStats(({ total }) => {
    cost = total.cost_usd;
  });
  poller.onLayerStatus((layers) => {
    const [name, { current = 0, total } = {}] =
      Object.entries(layers).findLast(([, { status }]) => status === "running") ?? [];
    if (name) say("running", total ? `${name}, ${current} of ${total}` : name);
  });
  poller.onComplete(({ status, error }) => say(status, error ? `${status}: ${error}` : status));
  poller.onError((error) => error.fatal && say("failed", error.message));
  say("running", "started");
  poller.start();
}

let latest = 0;

for (const form of document.forms) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mine = ++latest;
    try {
      const runId = await start(form);
      if (mine === latest) show(runId);
      follow(form, runId);
    } catch (error) {
      const output = form.querySelector("output");
      output.dataset.status = "failed";
      output.textContent = error.message;
    }
  });
}

document.addEventListener("livetail-open", (event) => {
  event.preventDefault();
  show(event.detail.run_id);
});

function showNamed() {
  if (location.hash.length > 1) show(location.hash.slice(1));
}
addEventListener("hashchange", showNamed);
showNamed();

const runners = document.querySelector(".runners ul");

/** Who is there, and who works on the run that is shown. */
async function showRunners() {
  const [told, run] = await Promise.all([
    fetch("/runners").then((answer) => answer.json()),
    panel.runId && fetch(`${OPERATIONS}/${panel.runId}/status`).then((answer) => answer.json()),
  ]);
  const items = told.map(({ name, alive }) => {
    const item = document.createElement("li");
    item.className = alive ? "" : "dead";
    const button = document.createElement("button");
    button.textContent = alive ? "Kill" : "Start again";
    button.onclick = async () => {
      button.disabled = true;
      await fetch(`/runners/${name}/${alive ? "kill" : "revive"}`, { method: "POST" });
      await showRunners();
    };
    const works = document.createElement("small");
    if (run?.status === "running" && run.owner.id?.startsWith(`${name}.`))
      works.textContent = alive ? "works on this run" : "worked on this run";
    item.append(name, button, works);
    return item;
  });
  runners.replaceChildren(...items);
}

if (runners) {
  const keepShowing = () =>
    showRunners()
      .catch(() => {})
      .finally(() => setTimeout(keepShowing, 1000));
  keepShowing();
}
