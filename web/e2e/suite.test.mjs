/** Every browser test, in order; one process, so that browsers can be shared. */
import { after } from "node:test";
import { dismissCast } from "./lib/cast.mjs";
import { printFigures } from "./lib/figures.mjs";
import { stopEverything } from "./lib/processes.mjs";

if (!process.env.E2E_IN_NAMESPACE) throw new Error("run web/e2e/run.sh: these tests need a network of their own");

after(async () => {
  printFigures();
  await dismissCast();
  await stopEverything();
});

const only = process.env.E2E_ONLY?.split(",");
for (const name of ["detectors", "visit", "return", "network", "devices", "keyboard", "lips", "hostile"]) if (!only || only.includes(name)) await import(`./tests/${name}.mjs`);
