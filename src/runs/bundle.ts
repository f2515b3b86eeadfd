/** The entry of the browser bundles: a script tag is all that a page needs. */
import { defineRuns } from "./define.js";

defineRuns();
