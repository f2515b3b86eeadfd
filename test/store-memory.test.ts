import { describeLogStore } from "./contract/log-store.js";
import { openMemoryHarness } from "./support/memory-harness.js";

describeLogStore("the embedded store", (limits) => openMemoryHarness(limits));
