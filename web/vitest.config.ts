/** Unit tests. `protocol/` and `call/` run without a DOM; a test that needs one says so in its first line:
 * `// @vitest-environment jsdom`. */
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  test: {
    include: ["**/*.test.{ts,tsx}"],
    exclude: ["node_modules/**", "dist/**", "e2e/**"],
    environment: "node",
    restoreMocks: true,
    unstubGlobals: true,
    // The machine that runs this also runs two browsers and a server.
    maxWorkers: 2,
    testTimeout: 10_000,
  },
});
