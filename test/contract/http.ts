/**
 * What every face of the handler must do over a real server. One suite for all frameworks; what only one of them has
 * stands in its own test.
 */
import { describe } from "vitest";
import { describePolls } from "./http-polls.js";
import { describeRefusals } from "./http-refusals.js";
import { describeRoutes } from "./http-routes.js";
import { type FrameworkFacts, type Serve, setScene } from "./http-scene.js";
import { describeServing } from "./http-serving.js";
import { describeStreams } from "./http-streams.js";

/**
 * Declares the suite. `serve` starts a server, closed as its user would close it; `isOwnRequest` says whether a value
 * is what a request is in the framework.
 */
export function describeHttp(
  name: string,
  serve: Serve,
  isOwnRequest: (raw: unknown) => boolean,
  facts: FrameworkFacts = {},
): void {
  describe(`the routes over ${name}`, () => {
    const scene = setScene(serve, isOwnRequest);
    describeRefusals(scene, facts);
    describePolls(scene, facts);
    describeStreams(scene);
    describeRoutes(scene);
    describeServing(scene, facts);
  });
}
