/** What the service is started with. */
export interface ServiceOptions {
  /** Where the job sites are. */
  boardUrl: string;
  /** Where the models answer, on the wires of OpenAI and Anthropic. */
  modelsUrl: string;
  /** Where records and search results are kept; processes may share it. */
  folder: string;
  /** The key for the models. Default `demo`. */
  apiKey?: string;
}

/** A service that listens. */
export interface Service {
  url: string;
  /** Resolves when the server is closed. */
  close(): Promise<void>;
}
