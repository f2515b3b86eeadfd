import { findChromium } from "./browser.js";
import { findCurl } from "./curl.js";
import { findNginx } from "./nginx.js";
import { findRedisCli, findRedisServer } from "./redis.js";

/** Installs and unpacks what the tests need before their clocks run. */
export default function prepareMachine(): void {
  for (const find of [findRedisServer, findRedisCli, findChromium, findNginx, findCurl]) {
    try {
      find();
    } catch (error) {
      // A test that needs it fails by itself with the same words; the others can run.
      console.error(error);
    }
  }
}
