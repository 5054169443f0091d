/** Real browsers with media of a known identity. */
import puppeteer from "puppeteer-core";
import { identity } from "../in-page/identity.mjs";
import { probe } from "../in-page/probe.mjs";
import { follow } from "./findings.mjs";
import { cameraFile, microphoneFile } from "./media-files.mjs";
import { scratch, start } from "./processes.mjs";

const CHROMIUM = process.env.E2E_CHROMIUM ?? "/usr/bin/chromium";
/** A browser that starts while a compiler has both cores takes its time. */
const PATIENCE_MS = 180_000;
const FIREFOX = process.env.E2E_FIREFOX ?? "/usr/bin/firefox-esr";

/**
 * Chromium as one person: its fake camera and microphone are files, so the whole capture path with
 * its audio processing is the real one. `inside` is what starts it in another network; `grain`, a picture that
 * costs what a real one costs.
 */
export async function chromium(person, { permissions = null, args = [], inside = null, grain = false } = {}) {
  const browser = await puppeteer.launch({
    executablePath: inside ? inside(CHROMIUM) : CHROMIUM,
    headless: true,
    // Two descriptors lead into any network; a socket would not.
    pipe: inside !== null,
    userDataDir: scratch("chromium"),
    protocolTimeout: PATIENCE_MS,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      "--disable-dev-shm-usage",
      "--allow-loopback-in-peer-connection",
      "--use-fake-device-for-media-stream",
      `--use-file-for-fake-video-capture=${cameraFile(person, grain)}`,
      `--use-file-for-fake-audio-capture=${microphoneFile(person)}`,
      // Without stated permissions every question is answered yes, screen capture included.
      ...(permissions ? [] : ["--use-fake-ui-for-media-stream"]),
      ...args,
    ],
  });
  return new Person(person, browser, { kind: "chromium", permissions });
}

let display = null;

/** An X display for the whole run: headless Firefox has no `getDisplayMedia`. */
async function xDisplay() {
  display ??= new Promise((resolve, reject) => {
    const x = start("xvfb", "Xvfb", ["-displayfd", "1", "-screen", "0", "1280x800x24", "-nolisten", "tcp"], {
      onLine: (line) => /^\d+$/.test(line) && resolve(`:${line}`),
    });
    x.ended.then((how) => reject(new Error(`Xvfb ended: ${JSON.stringify(how)}`)));
  });
  return display;
}

/** Firefox as one person, over WebDriver BiDi. */
export async function firefox(person, { autoplay = true, prefs = {} } = {}) {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: FIREFOX,
    headless: false,
    userDataDir: scratch("firefox"),
    protocolTimeout: PATIENCE_MS,
    env: { ...process.env, DISPLAY: await xDisplay(), HOME: scratch("home"), MOZ_DISABLE_CONTENT_SANDBOX: "1" },
    extraPrefsFirefox: {
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      "media.peerconnection.ice.obfuscate_host_addresses": false,
      "media.autoplay.default": autoplay ? 0 : 1,
      // A machine without a sound card: without this an AudioContext never starts.
      "media.cubeb.force_mock_context": true,
      // Background windows draw and run timers like the front one.
      "dom.min_background_timeout_value": 4,
      "dom.timeout.enable_budget_timer_throttling": false,
      // Half of the usual rate: under Xvfb every frame is drawn by the processor.
      "layout.frame_rate": 30,
      "widget.windows.window_occlusion_tracking.enabled": false,
      ...prefs,
    },
  });
  return new Person(person, browser, { kind: "firefox" });
}

const open = new Set();

/** Ends every browser that a test has left behind. */
export async function closeBrowsers() {
  await Promise.all([...open].map((person) => person.close()));
}

/** A browser with the person who sits at it. */
class Person {
  constructor(person, browser, { kind, permissions = null }) {
    Object.assign(this, person);
    this.browser = browser;
    this.kind = kind;
    this.permissions = permissions;
    open.add(this);
  }

  /** Opens a window, with `own` storage or the browser's; in Firefox it carries the person's identity. */
  async open(url, { as = this, own = false, viewport = { width: 1280, height: 800 } } = {}) {
    const context = own ? await this.browser.createBrowserContext() : this.browser.defaultBrowserContext();
    if (this.permissions) await context.overridePermissions(new URL(url).origin, this.permissions);
    // A window each: a tab behind another is hidden, and browsers nearly stop it.
    const page = await context.newPage({ type: "window" });
    await page.setViewport(viewport);
    await page.evaluateOnNewDocument(probe);
    if (this.kind === "firefox" || as !== this) {
      await page.evaluateOnNewDocument(identity, { colour: as.colour, tone: as.tone });
    }
    page.who = `${as.name} in ${this.kind}`;
    page.kind = this.kind;
    page.person = as;
    page.troubles = [];
    follow(page);
    page.on("pageerror", (error) => page.troubles.push(error.message));
    page.on("console", (message) => message.type() === "error" && page.troubles.push(message.text()));
    await page.goto(url);
    return page;
  }

  /** Ends the browser at once: an orderly shutdown of Firefox takes seconds and tests nothing of ours. */
  async close() {
    if (!open.delete(this)) return;
    const process = this.browser.process();
    const gone = new Promise((resolve) => process.once("exit", resolve));
    process.kill("SIGKILL");
    await gone;
  }
}
