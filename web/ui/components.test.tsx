// @vitest-environment jsdom
/** Runs every component's tests in one browser-like environment: starting one takes longer than any of them. */
import { describe } from "vitest";
import "./testing/setup";

const specs = import.meta.glob("./*/*.spec.tsx");

for (const [path, load] of Object.entries(specs)) {
  describe(path, async () => {
    await load();
  });
}
