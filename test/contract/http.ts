/**
 * What every face of the handler must do over a real server. One suite for all frameworks; what only one of them has
 * stands in its own test.
 */
import { describe } from "vitest";
import { describePolls } from "./http-polls.js";
import { describeRefusals } from "./http-refusals.js";
import { describeRoutes } from "./http-routes.js";
import { type Serve, setScene } from "./http-scene.js";
import { describeServing } from "./http-serving.js";
import { describeStreams } from "./http-streams.js";

/** What a framework decides for everything that it serves. */
export interface FrameworkFacts {
  /** It answers through WHATWG objects: its bridge tidies up paths, and writes to the connection in its own way. */
  speaksFetch?: boolean;
}

/**
 * Declares the suite. `serve` starts a server, closed as its user would close it; `isOwnRequest` says whether a value
 * is what a request is in the framework.
 */
export function describeHttp(
  name: string,
  serve: Serve,
  isOwnRequest: (raw: unknown) => boolean,
  { speaksFetch = false }: FrameworkFacts = {},
): void {
  describe(`the routes over ${name}`, () => {
    const scene = setScene(serve, isOwnRequest);
    describeRefusals(scene, speaksFetch);
    describePolls(scene);
    describeStreams(scene);
    describeRoutes(scene);
    describeServing(scene, speaksFetch);
  });
}
