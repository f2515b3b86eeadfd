/** What the server of models asks of a provider's wire. */

/** A prompt as it came, in either provider's form. */
export interface Prompt {
  model: string;
  system: string;
  user: string;
  stream: boolean;
  /** The provider is asked to tell the usage of a stream. */
  usageAsked: boolean;
}

/** What a call is billed for. */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
}

/** How a provider speaks. */
export interface Wire {
  provider: "openai" | "anthropic";
  /** The path of its only endpoint. */
  path: string;
  /** What it sells: the name that is asked for and the one that is answered. */
  models: Readonly<Record<string, string>>;
  /** The key of a request; undefined when there is none. */
  keyOf(header: (name: string) => string | undefined): string | undefined;
  /** Null for a body that is not understood. */
  read(body: unknown): Prompt | null;
  /** The body of an answer. */
  answer(id: string, model: string, text: string, usage: Usage): object;
  /** The events of a stream before its text, for a piece of text, and after it, each with its blank line. */
  opening(id: string, model: string, usage: Usage): string;
  piece(id: string, model: string, text: string): string;
  closing(id: string, model: string, usage: Usage, usageAsked: boolean): string;
  /** The body of an error. */
  error(status: number, message: string): object;
}

/** The token of an `Authorization` header. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer (\S+)$/.exec(authorization ?? "")?.[1];
}
