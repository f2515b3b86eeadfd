import { Redis } from "ioredis";

/** What the server at a port answers to one command; null when it does not within a second: it may be stopped. */
export async function askRedis(port: number, ...command: [string, ...string[]]): Promise<unknown> {
  const limits = { connectTimeout: 1000, commandTimeout: 1000, retryStrategy: null, maxRetriesPerRequest: 0 };
  const client = new Redis({ host: "127.0.0.1", port, enableReadyCheck: false, ...limits });
  client.on("error", () => {});
  try {
    return await client.call(...command);
  } catch {
    return null;
  } finally {
    client.disconnect();
  }
}
