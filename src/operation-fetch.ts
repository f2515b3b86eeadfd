/** Slow endpoints where a handler takes a Request and returns a Response. */
import { responseOf } from "./fetch.js";
import type { OperationRequest, OperationRoutes, WatchedRequest } from "./operation-routes.js";

/** Answers a Request by an operation. Never rejects. */
export async function acceptFetch(
  routes: Pick<OperationRoutes, "accept">,
  request: Request,
  asked: Omit<OperationRequest, "header">,
): Promise<Response> {
  const header = (name: string): string | undefined => request.headers.get(name) ?? undefined;
  return responseOf(await routes.accept({ ...asked, header }), request);
}

/** Calls the handler of a request that has a run beside it, which ends with the answer; names the run in `X-Run-Id`. */
export async function watchFetch(
  { run, within, ended }: WatchedRequest,
  handle: () => Response | Promise<Response>,
): Promise<Response> {
  const response = await within(handle);
  ended(response.status);
  // One that somebody fetched has headers that cannot be changed.
  const named = new Response(response.body, response);
  named.headers.set("X-Run-Id", run.id);
  return named;
}
