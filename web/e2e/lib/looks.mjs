/** How a state looks, and whether axe finds anything in it. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { E2E, OUT } from "./processes.mjs";

const AXE = readFileSync(path.join(E2E, "../node_modules/axe-core/axe.min.js"), "utf8");
const WIDTHS = { 360: { width: 360, height: 740 }, 1280: { width: 1280, height: 800 } };

/** Runs axe with every rule it has; fails with what it found and where. */
export async function accessible(page, state) {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
    return violations.map(({ id, help, nodes }) => ({ id, help, where: nodes.slice(0, 4).map((n) => [n.target.join(" "), n.failureSummary]) }));
  });
  if (found.length > 0) throw new Error(`axe in "${state}" (${page.who}): ${JSON.stringify(found, null, 2)}`);
}

/** Photographs a state at both widths, and has axe look at each. Puts the viewport back. */
export async function looks(page, state) {
  const before = page.viewport();
  for (const [name, viewport] of Object.entries(WIDTHS)) {
    await page.setViewport(viewport);
    await accessible(page, `${state} at ${name}`);
    await page.screenshot({ path: path.join(OUT, `${state}-${name}.png`) });
  }
  await page.setViewport(before);
}
