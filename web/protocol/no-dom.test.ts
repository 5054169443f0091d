// @vitest-environment node
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const here = fileURLToPath(new URL(".", import.meta.url));
const sources = readdirSync(here).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));

test("protocol/ compiles without the DOM library and without any types from outside", () => {
  const tsc = join(here, "../node_modules/typescript/bin/tsc");
  expect(() => execFileSync(process.execPath, [tsc, "-p", here, "--noEmit"], { encoding: "utf8" })).not.toThrow();
}, 60_000);

test("protocol/ imports nothing but itself", () => {
  expect(sources).toContain("client.ts");
  for (const name of sources) {
    const imports = Array.from(readFileSync(join(here, name), "utf8").matchAll(/from "([^"]+)"/g), (match) => match[1]);
    expect(imports.filter((path) => !path?.startsWith("./"))).toEqual([]);
  }
});

test("protocol/ reads no clock and rolls no dice", () => {
  for (const name of sources) {
    expect(readFileSync(join(here, name), "utf8")).not.toMatch(/Date\.now|new Date|performance\.|Math\.random|setTimeout|setInterval/);
  }
});
