/** The entry of the browser bundles: the client with its streams. */
export * from "./index.js";
export { sseTransport } from "./sse.js";
