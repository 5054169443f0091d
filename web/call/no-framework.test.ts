import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const here = fileURLToPath(new URL(".", import.meta.url));

test("the engine imports itself and the protocol, nothing else: no framework", () => {
  const sources = readdirSync(here).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  expect(sources).toContain("create.ts");
  for (const name of sources) {
    const imports = Array.from(readFileSync(join(here, name), "utf8").matchAll(/from "([^"]+)"/g), (match) => match[1] ?? "");
    expect(imports.filter((path) => !/^(\.\/|\.\.\/protocol)/.test(path))).toEqual([]);
  }
});
