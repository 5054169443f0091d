/** The production build: six pages, hashed assets, precompressed, nothing inline (strict CSP). */
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

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

const clean = new Set(["/visit", "/clinic", "/sign-in", "/join", "/admin"]);

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

export default defineConfig({
  root,
  plugins: [react(), precompress(), cleanPaths()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    // The oldest browsers in which the call itself works; older ones get the page without script.
    target: ["chrome94", "firefox98", "safari15.4"],
    cssTarget: ["chrome94", "firefox98", "safari15.4"],
    modulePreload: { polyfill: false },
    // A data: URI would need its own hole in the CSP.
    assetsInlineLimit: 0,
    manifest: true,
    rolldownOptions: {
      input: {
        index: resolve(root, "index.html"),
        visit: resolve(root, "visit.html"),
        clinic: resolve(root, "clinic.html"),
        signIn: resolve(root, "sign-in.html"),
        join: resolve(root, "join.html"),
        admin: resolve(root, "admin.html"),
      },
    },
  },
  worker: { format: "es" },
  server: {
    proxy: {
      "/api": "http://localhost:8080",
      "/ws": { target: "ws://localhost:8080", ws: true },
    },
  },
});
