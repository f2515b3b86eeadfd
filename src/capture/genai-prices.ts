/** The prices of `@pydantic/genai-prices`: a table of many providers that comes with the package and asks no server. */
import { calcPrice, findProvider } from "@pydantic/genai-prices";
import type { PricedCall, PriceFn } from "../price.js";

/**
 * Makes a price table for `createLivetail({ price: genaiPrices() })`. Prices are those of the call's `provider`, else
 * of its backend if the table knows one of that name, else of the provider that the model's name tells. Names of models
 * are matched loosely: what was priced stands in the line as `cost_model`. A model that is not in the table has no price.
 */
export function genaiPrices(): PriceFn {
  return (call) => {
    const providerId = providerOf(call);
    const found = calcPrice(usageOf(call), call.model, providerId === undefined ? {} : { providerId });
    return found === null ? null : { costUsd: found.total_price, model: found.model.id };
  };
}

/** A provider that was named is taken at its word; a backend may have any name. */
function providerOf({ provider, backend }: PricedCall): string | undefined {
  return provider ?? findProvider({ providerId: backend })?.id;
}

/** The same as the table has it: totals of input and output, and what they hold. */
function usageOf({ usage }: PricedCall): Record<string, number> {
  const { inputTokens, outputTokens, cachedTokens, cacheWriteTokens, cacheWrite1hTokens } = usage;
  const named = Object.entries({
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    cache_read_tokens: cachedTokens,
    cache_write_tokens: cacheWriteTokens,
    cache_write_1h_tokens: cacheWrite1hTokens,
  });
  return Object.fromEntries(named.filter((entry): entry is [string, number] => entry[1] !== undefined));
}
