/** The production build: seven pages, hashed assets, precompressed, nothing inline (strict CSP). */
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { build, defineConfig, type BuildOptions, type Plugin } from "vite";

const root = import.meta.dirname;
const compressible = new Set([".html", ".js", ".css", ".svg", ".json", ".txt"]);

/** Writes `.gz` and `.br` beside every text file, so that the server never compresses at run time. */
function precompress(): Plugin {
  let out = "";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      out = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const entry of readdirSync(out, { recursive: true, encoding: "utf8" })) {
        const path = join(out, entry);
        if (!statSync(path).isFile() || !compressible.has(extname(path))) continue;
        const bytes = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
        writeFileSync(
          `${path}.br`,
          brotliCompressSync(bytes, {
            params: {
              [constants.BROTLI_PARAM_QUALITY]: 11,
              [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
            },
          }),
        );
      }
    },
  };
}

const clean = new Set(["/visit", "/clinic", "/sign-in", "/join", "/admin", "/rooms", "/account"]);

/** `/visit` and the others as the real server answers them. */
function cleanPaths(): Plugin {
  return {
    name: "clean-paths",
    apply: "serve",
    configureServer(server) {
      server.middlewares.use((request, _response, next) => {
        const [path = "", query] = (request.url ?? "").split("?");
        if (clean.has(path)) {
          request.url = `${path}.html${query ? `?${query}` : ""}`;
        }
        next();
      });
    },
  };
}

const pages = (...names: string[]) => Object.fromEntries(names.map((name) => [name, resolve(root, `${name}.html`)]));

const options: BuildOptions = {
  // The oldest browsers in which the call itself works; older ones get the page without script.
  target: ["chrome94", "firefox98", "safari15.4"],
  cssTarget: ["chrome94", "firefox98", "safari15.4"],
  modulePreload: { polyfill: false },
  // A data: URI would need its own hole in the CSP.
  assetsInlineLimit: 0,
};

/**
 * Builds the pages of people who work here after the others, and apart: what more pages share is cut into more and
 * smaller files, and a patient's phone would download 3 KB more for pages that it never sees.
 */
function staffPages(): Plugin {
  let outer: { outDir: string; logLevel: "info" | "warn" | "error" | "silent" | undefined } | null = null;
  return {
    name: "staff-pages",
    apply: "build",
    configResolved(config) {
      outer = { outDir: resolve(config.root, config.build.outDir), logLevel: config.logLevel };
    },
    async closeBundle() {
      if (outer === null) return;
      await build({
        configFile: false,
        root,
        logLevel: outer.logLevel ?? "warn",
        // The last build: it compresses what both have made.
        plugins: [react(), precompress()],
        build: {
          ...options,
          outDir: outer.outDir,
          emptyOutDir: false,
          manifest: ".vite/manifest.staff.json",
          rolldownOptions: { input: pages("sign-in", "join", "admin", "rooms", "account") },
        },
      });
    },
  };
}

export default defineConfig({
  root,
  plugins: [react(), staffPages(), cleanPaths()],
  build: {
    ...options,
    outDir: "dist",
    emptyOutDir: true,
    manifest: true,
    rolldownOptions: { input: pages("index", "visit", "clinic") },
  },
  worker: { format: "es" },
  server: {
    proxy: {
      "/api": "http://localhost:8080",
      "/ws": { target: "ws://localhost:8080", ws: true },
    },
  },
});
