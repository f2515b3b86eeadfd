/** A page that starts the operation and shows it: a classic script tag and five lines that watch the run. */
export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>What would it cost?</title>
<button id="start">Price the files</button>
<pre id="lines"></pre>
<script src="/operations/-/client.js"></script>
<script>
const show = (text) => document.getElementById("lines").append(text + "\\n");
document.getElementById("start").onclick = async () => {
  const { run_id } = await (await fetch("/prices", { method: "POST" })).json();
  const poller = new Livetail.LogPoller(run_id, { endpointBase: "/operations" });
  poller.onLog((entry) => show(entry.message));
  poller.onComplete((state) => show(state.status + ": $" + state.backend_stats.total.cost_usd));
  poller.onError((error) => show(error.message));
  poller.start();
};
</script>
</html>
`;
