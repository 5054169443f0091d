import { after } from "node:test";
import { stopEverything } from "./lib/processes.mjs";

/** Every browser test, in order; one process, so that servers and browsers can be shared. */
if (!process.env.E2E_IN_NAMESPACE) throw new Error("run web/e2e/run.sh: these tests need a network of their own");

after(stopEverything);

await import("./tests/detectors.mjs");
