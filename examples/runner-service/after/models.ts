/** The models that the service asks: GPT for fields and scores, Claude for words. */
import Anthropic from "@anthropic-ai/sdk";
import { currentRun, llm } from "livetail";
import { anthropicFetch } from "livetail/anthropic";
import { openaiFetch } from "livetail/openai";
import OpenAI from "openai";
import type { ServiceOptions } from "../service/options.js";
import { promptOf, type Task } from "../service/tasks.js";
import type { Models } from "../service/tools.js";

/** Opens the clients of both. */
export function openModels({ modelsUrl, apiKey = "demo" }: ServiceOptions): Models {
  const openai = new OpenAI({ apiKey, baseURL: `${modelsUrl}/v1`, maxRetries: 0, fetch: openaiFetch() });
  const anthropic = new Anthropic({ apiKey, baseURL: modelsUrl, maxRetries: 0, fetch: anthropicFetch() });

  async function gpt(task: Task, material: object): Promise<string> {
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: "system", content: promptOf(task) },
      { role: "user", content: JSON.stringify(material) },
    ];
    const cancel = { signal: currentRun()?.signal };
    const { choices } = await openai.chat.completions.create({ model: "gpt-5-mini", messages }, cancel);
    return choices[0]?.message.content ?? "";
  }

  async function claude(task: Task, material: object): Promise<string> {
    const messages = [{ role: "user" as const, content: JSON.stringify(material) }];
    const ask = { model: "claude-sonnet-5", max_tokens: 2000, system: promptOf(task), messages };
    return anthropic.messages.stream(ask, { signal: currentRun()?.signal }).finalText();
  }

  return {
    // The clients tell tokens and cost; what a call is for, only the service knows.
    gpt: (task, material) => llm({ step: task, backend: "openai" }, () => gpt(task, material)),
    claude: (task, material) => llm({ step: task, backend: "anthropic" }, () => claude(task, material)),
    async claudeOrGpt(task, material) {
      try {
        return await llm({ step: task, backend: "anthropic" }, () => claude(task, material));
      } catch (error) {
        if (!isOverloaded(error)) throw error;
        return llm({ step: task, backend: "openai", fallbackOf: "anthropic" }, () => gpt(task, material));
      }
    },
  };
}

function isOverloaded(error: unknown): boolean {
  return error instanceof Anthropic.APIError && error.status === 529;
}
