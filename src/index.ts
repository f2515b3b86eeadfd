/**
 * livetail makes long operations visible. The flow, with the file of each station:
 *
 *   a log call          logger.ts, run.ts            text by serialize.ts, cost by cost.ts
 *     → a run's writer  writer.ts, backlog.ts        lines that wait, batches in flight
 *     → the store       store.ts                     store/memory.ts or store/redis.ts
 *     → a reader        reader.ts                    one shared feed per run, entries by line.ts
 *     → the handler     handler.ts                   routes and streams; faces: fetch.ts, adapters/
 *     → a client        client/log-poller.ts         poll, long-poll or SSE with one cursor
 *     → a view          the page of /view, cli/      browser and terminal
 *
 * Beside it: owner.ts renews leases and finds lost owners; livetail.ts wires a process together.
 */
export type { Action, Authorize, AuthorizeAnswer, AuthorizeRequest, CorsOptions } from "./access.js";
export { type BulkOptions, type BulkOutcome, runBulk } from "./bulk.js";
export type { Clock } from "./clock.js";
export {
  cancelRun,
  configureLivetail,
  createLayerCallback,
  createLogCallback,
  createOperationRun,
  currentRun,
  defaultLivetail,
  joinRun,
  latestRun,
  ownerOf,
  runOperation,
  startOperation,
} from "./default-livetail.js";
export { type ErrorCode, isLivetailError, LivetailError } from "./errors.js";
export { createFetchHandler, type FetchHandlerOptions } from "./fetch.js";
export type { Handle, LayerMetadata } from "./handle.js";
export type { Handler } from "./handler.js";
export { parseLine } from "./line.js";
export type { EventRule, EventRules, LineParser, StandardSchema } from "./line-rules.js";
export { createLivetail, type LayerCallback, type Livetail, type LogCallback } from "./livetail.js";
export type { LivetailOptions } from "./livetail-options.js";
export { type LlmReport, llm } from "./llm.js";
export { type LlmCallInfo, type LlmOutcome, type OpenLlmCall, openLlmCall } from "./llm-call.js";
export { type LlmAnswer, type LlmUsage, usageOf } from "./llm-usage.js";
export {
  type EventFields,
  type LlmCall,
  type OpenEvents,
  StructuredLogger,
  type StructuredLoggerOptions,
} from "./logger.js";
export type { Price, PricedCall, PriceFn } from "./price.js";
export type * from "./protocol.js";
export type { EndOutcome, Run, RunOptions } from "./run.js";
export { type MemoryStoreOptions, memoryStore } from "./store/memory.js";
export type { LogStore, StoreLimits } from "./store.js";
