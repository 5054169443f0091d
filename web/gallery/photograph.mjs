/**
 * Photographs every view and state, and examines each: axe-core (no rule disabled), no horizontal scrolling
 * at 320 px, target sizes, and that Tab reaches every control. Ends with 1 when anything is found.
 *
 *   node gallery/photograph.mjs [--full] [--only=regex] [--no-build] [--out=folder]
 *
 * Without --full each view is taken in three of the twelve combinations of size, theme and language, one view
 * in these and the next in those; with it, in all.
 */
import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, resolve } from "node:path";
import puppeteer from "puppeteer-core";

const here = import.meta.dirname;
const flag = (name) => process.argv.includes(`--${name}`);
const value = (name) => process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split("=").slice(1).join("=");

const out = resolve(value("out") ?? join(here, "out/photographs"));
const site = join(here, "out/site");
const only = new RegExp(value("only") ?? "");
const sizes = { 360: 740, 768: 1024, 1280: 800 };
const all = Object.keys(sizes).flatMap((width) => ["light", "dark"].flatMap((theme) => ["en", "es"].map((lang) => [width, theme, lang])));
const turns = [
  [
    ["360", "light", "en"],
    ["768", "dark", "es"],
    ["1280", "light", "en"],
  ],
  [
    ["360", "dark", "es"],
    ["768", "light", "en"],
    ["1280", "dark", "es"],
  ],
];

/** The policy that the server sends; a page that needs more than it is broken here too. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'";
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };

if (!flag("no-build")) {
  execFileSync(join(here, "../node_modules/.bin/vite"), ["build", "-c", join(here, "vite.config.ts"), "--logLevel", "warn"], {
    cwd: join(here, ".."),
    stdio: "inherit",
  });
}
if (value("only") === undefined) rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const server = createServer((request, response) => {
  const path = join(site, new URL(request.url, "http://localhost").pathname);
  if (!path.startsWith(site) || !existsSync(path)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream", "content-security-policy": policy });
  createReadStream(path).pipe(response);
});
await new Promise((done) => server.listen(0, "localhost", done));
const origin = `http://localhost:${server.address().port}`;

/** Widths as on the devices people have: Debian's default, DejaVu, is a fifth wider than any telephone's letters. */
const fonts = join(here, "out/fonts.conf");
writeFileSync(
  fonts,
  `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><include>/etc/fonts/fonts.conf</include>
${["system-ui", "sans-serif"].map((name) => `<match target="pattern"><test name="family"><string>${name}</string></test><edit name="family" mode="prepend" binding="strong"><string>Liberation Sans</string></edit></match>`).join("\n")}
</fontconfig>\n`,
);
const browser = await puppeteer.launch({
  // On a busy machine axe may take its time; a page that never answers is a finding all the same.
  protocolTimeout: 600_000,
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  env: { ...process.env, FONTCONFIG_FILE: fonts },
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
  ],
});

const axe = readFileSync(join(here, "../node_modules/axe-core/axe.min.js"), "utf8");
const findings = [];
let taken = 0;

const page = await browser.newPage();
page.setDefaultTimeout(15_000);
let where = "";
page.on("pageerror", (error) => findings.push(`${where}: threw ${error.message}`));
page.on("console", (message) => {
  if (message.type() === "error") findings.push(`${where}: console: ${message.text()}`);
});

// Where something would be lost, a page asks whether to leave it.
page.on("dialog", (dialog) => void dialog.accept());

await page.goto(`${origin}/gallery.html`);
await page.waitForFunction("Array.isArray(window.views)");
const views = (await page.evaluate("window.views")).filter((view) => only.test(view.id));

for (const [at, view] of views.entries()) {
  for (const [width, theme, lang] of flag("full") ? all : turns[at % turns.length]) {
    await show(view, Number(width), sizes[width], theme, lang);
    await page.screenshot({ path: join(out, `${view.id}.${width}.${theme}.${lang}.png`) });
    taken += 1;
    await examine(view, Number(width));
    if (width === "1280" && view.id !== "clinic-queue-three-hundred") await tabOrder();
    if (width === "360") {
      await page.setViewport({ width: 320, height: 640 });
      await scrolling("320 px");
    }
  }
}

if (value("only") === undefined) {
  // What is there before any script, and when none can run.
  await page.setJavaScriptEnabled(false);
  for (const name of ["index", "visit"]) {
    for (const [width, theme] of turns.flat()) {
      where = `${name}.html ${width} ${theme}`;
      await page.setViewport({ width: Number(width), height: sizes[width] });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
      await page.goto(`${origin}/${name}.html`);
      await page.screenshot({ path: join(out, `${name}-without-script.${width}.${theme}.png`) });
      taken += 1;
    }
  }
}

await browser.close();
server.close();
const unique = [...new Set(findings)];
writeFileSync(join(out, "findings.json"), JSON.stringify(unique, null, 2));
for (const finding of unique) console.log(finding);
console.log(`${views.length} views, ${taken} photographs, ${unique.length} findings: ${out}`);
process.exitCode = unique.length === 0 ? 0 : 1;

async function show(view, width, height, theme, lang) {
  where = `${view.id} ${width} ${theme} ${lang}`;
  await page.setViewport({ width, height });
  await page.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: theme },
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  await page.goto(`${origin}/gallery.html?view=${view.id}&lang=${lang}`, { waitUntil: "domcontentloaded" });
  await page.waitForSelector("html[data-ready]").catch(() => findings.push(`${where}: never ready`));
}

async function examine(view, width) {
  await page.evaluate(axe);
  const results = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  for (const violation of results.violations) {
    for (const node of violation.nodes.slice(0, 3)) {
      findings.push(`${where}: axe ${violation.id}: ${node.target.join(" ")}: ${node.failureSummary?.split("\n")[1]?.trim() ?? ""}`);
    }
  }
  if (width === 360) await scrolling("360 px");
  await targets(view.app === "patient" ? 48 : 36);
}

/** Nothing is wider than the page (WCAG 1.4.10). */
async function scrolling(what) {
  const wide = await page.evaluate(() => {
    const root = document.documentElement;
    if (root.scrollWidth <= root.clientWidth) return [];
    return [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1)
      .slice(0, 3)
      .map((element) => `${element.tagName.toLowerCase()}.${element.className}`);
  });
  if (wide.length > 0) findings.push(`${where}: wider than ${what}: ${wide.join(", ")}`);
}

/** Everything to press is at least this large; a tick box counts with its label. */
async function targets(least) {
  const small = await page.evaluate((size) => {
    const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
    return [...document.querySelectorAll("button, a[href], input, select, textarea, summary")]
      .filter(shown)
      .map((element) => ({ element, box: (element.matches("[type=radio], [type=checkbox]") ? (element.closest("label") ?? element) : element).getBoundingClientRect() }))
      .filter(({ box }) => box.height < size - 0.5 || box.width < size - 0.5)
      .map(({ element, box }) => `${element.tagName.toLowerCase()} "${element.textContent.slice(0, 30)}" ${Math.round(box.width)}×${Math.round(box.height)}`);
  }, least);
  for (const one of small) findings.push(`${where}: smaller than ${least}: ${one}`);
}

/** Tab goes to every control that is shown and not behind a dialog, and never gets caught. */
async function tabOrder() {
  const expected = await page.evaluate(() => {
    const scope = document.querySelector("dialog[open]") ?? document.body;
    const radios = new Set();
    const all = [...scope.querySelectorAll("button, a[href], input, select, textarea, summary, [tabindex='0']")].filter((element) => {
      if (!element.checkVisibility({ visibilityProperty: true })) return false;
      if (element.type !== "radio") return true;
      if (radios.has(element.name)) return false;
      radios.add(element.name);
      return true;
    });
    for (const [at, element] of all.entries()) element.dataset.expected = String(at);
    document.activeElement?.blur();
    return all.map((element) => `${element.tagName.toLowerCase()} "${(element.textContent || element.ariaLabel || element.name || "").slice(0, 30)}"`);
  });
  const reached = new Set();
  for (let press = 0; press < expected.length * 2 + 6 && reached.size < expected.length; press += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      if (element?.type !== "radio") return element?.dataset.expected ?? null;
      return document.querySelector(`input[name="${CSS.escape(element.name)}"][data-expected]`)?.dataset.expected ?? null;
    });
    if (at !== null) reached.add(Number(at));
  }
  for (const [at, name] of expected.entries()) {
    if (!reached.has(at)) findings.push(`${where}: Tab never reaches ${name}`);
  }
}
