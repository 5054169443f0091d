/** Every browser test, in order; one process, so that browsers can be shared. */
import { after, describe } from "node:test";
import { closeBrowsers } from "./lib/browsers.mjs";
import { printFigures } from "./lib/figures.mjs";
import { stopEverything } from "./lib/processes.mjs";

if (!process.env.E2E_IN_NAMESPACE) throw new Error("run web/e2e/run.sh: these tests need a network of their own");

const suites = ["detectors", "visit", "return", "network", "weak-network", "devices", "keyboard", "lips", "hostile"];
suites.push(...(process.env.E2E_SHAPE === "fleet" ? ["fleet"] : ["staff", "passkeys", "provider"]));
const only = process.env.E2E_ONLY?.split(",");
const chosen = await Promise.all(
  suites.filter((name) => !only || only.includes(name)).map((name) => import(`./tests/${name}.mjs`)),
);

describe("browsers", () => {
  after(async () => {
    printFigures();
    await closeBrowsers();
    await stopEverything();
  });
  for (const { default: suite } of chosen) suite();
});
