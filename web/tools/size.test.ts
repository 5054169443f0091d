/** Builds the pages and holds them against what they may weigh and contain. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
/** All script that a patient's phone downloads, from the link to the closing page. */
const PATIENT_SCRIPT_BYTES = 120 * 1024;

interface Chunk {
  file: string;
  isEntry?: boolean;
  imports?: string[];
  dynamicImports?: string[];
}

let out = "";
let manifest: Record<string, Chunk> = {};

beforeAll(() => {
  out = mkdtempSync(join(tmpdir(), "pages-"));
  execFileSync(join(root, "node_modules/.bin/vite"), ["build", "--outDir", out, "--emptyOutDir", "--logLevel", "error"], {
    cwd: root,
    // Vitest says "test", and React would come with its warnings.
    env: { ...process.env, NODE_ENV: "production" },
  });
  manifest = JSON.parse(readFileSync(join(out, ".vite/manifest.json"), "utf8")) as Record<string, Chunk>;
}, 60_000);
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** Every script that the page can come to load, by its source name. */
function loadedBy(name: string, seen = new Set<string>()): Set<string> {
  const chunk = manifest[name];
  if (chunk === undefined || seen.has(name)) return seen;
  seen.add(name);
  for (const next of [...(chunk.imports ?? []), ...(chunk.dynamicImports ?? [])]) loadedBy(next, seen);
  return seen;
}

const compressed = (path: string) => gzipSync(readFileSync(join(out, path)), { level: 9 }).length;

describe("the patient's page", () => {
  it("is light enough for an old phone", () => {
    const scripts = new Set([...loadedBy("visit.html")].map((name) => manifest[name]?.file ?? "").filter((file) => file.endsWith(".js")));
    const weights = Object.fromEntries([...scripts].map((file) => [file, compressed(file)]));
    // Both languages are counted though nobody downloads two.
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
    expect(scripts.size).toBeGreaterThan(2);
    expect(total, JSON.stringify(weights)).toBeLessThanOrEqual(PATIENT_SCRIPT_BYTES);
  });

  it("carries nothing of the clinician's", () => {
    const names = [...loadedBy("visit.html")].join(" ");
    expect(names).not.toMatch(/clinic|staff|identity/);
    expect([...loadedBy("clinic.html")].join(" ")).toMatch(/clinic/);
  });

  it("holds the call apart from the first page, and knows its name from the start", () => {
    const call = manifest["patient/Call.tsx"]?.file ?? "none";
    const entry = readFileSync(join(out, manifest["visit.html"]?.file ?? ""), "utf8");
    expect(entry).toContain(call.replace(/^assets\//, ""));
  });

  it("says something before any script runs, and when none can", () => {
    const html = readFileSync(join(out, "visit.html"), "utf8");
    expect(html).toContain("Opening your visit");
    expect(html).toContain("Abriendo su consulta");
    expect(html).toMatch(/<noscript>[^]*JavaScript[^]*<\/noscript>/);
  });
});

describe.each(["index.html", "visit.html", "clinic.html", "sign-in.html", "join.html", "admin.html"])("%s", (page) => {
  it("asks nothing that the content security policy forbids", () => {
    const html = readFileSync(join(out, page), "utf8");
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)/);
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:|https?:\/\//);
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]+)"/g)) expect(address).toMatch(/^\/(assets\/|favicon\.svg$)/);
  });
});

describe("the assets", () => {
  it("bear their content in their names", () => {
    for (const file of readdirSync(join(out, "assets"))) expect(file).toMatch(/-[\w-]{8}\.(js|css)(\.gz|\.br)?$/);
  });

  it("are compressed beforehand", () => {
    const plain = readdirSync(out, { recursive: true, encoding: "utf8" }).filter((file) => /\.(js|css|html|svg)$/.test(file));
    expect(plain.length).toBeGreaterThan(8);
    for (const file of plain) for (const ending of [".gz", ".br"]) expect(existsSync(join(out, file + ending)), file + ending).toBe(true);
  });

  it("leave the gallery out", () => {
    expect(readdirSync(out, { recursive: true, encoding: "utf8" }).join(" ")).not.toMatch(/gallery/);
  });
});
