/** Starts processes and ends exactly those. */
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const here = path.dirname(new URL(import.meta.url).pathname);
export const E2E = path.resolve(here, "..");
export const REPOSITORY = path.resolve(E2E, "../..");
export const OUT = path.join(E2E, "out");
mkdirSync(OUT, { recursive: true });

const running = new Set();
const directories = new Set();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));

/** Ends whatever this run started and is still running. */
export async function stopEverything() {
  await Promise.all([...running].map((child) => new Promise((gone) => child.once("exit", gone) && child.kill("SIGTERM"))));
}

/** A directory that goes when the run ends. */
export function scratch(name) {
  const directory = mkdtempSync(path.join(tmpdir(), `telehealth-e2e-${name}-`));
  directories.add(directory);
  return directory;
}

/** Starts a program; its output goes to `out/<name>.log` and to `onLine`. With `input`, lines can be `told` to it. */
export function start(name, program, args, { env = {}, onLine = () => {}, input = false } = {}) {
  const log = createWriteStream(path.join(OUT, `${name}.log`), { flags: "a" });
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: [input ? "pipe" : "ignore", "pipe", "pipe"] });
  running.add(child);
  const ended = new Promise((resolve) => {
    child.once("error", (error) => resolve({ error }));
    child.once("exit", (code, signal) => resolve({ code, signal }));
  }).then((how) => {
    running.delete(child);
    return how;
  });
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (text) => {
      log.write(text);
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      lines.forEach(onLine);
    });
  }
  return {
    pid: child.pid,
    ended,
    tell: (line) => child.stdin.write(`${line}\n`),
    /** Asks it to end, insists after `grace`. */
    async stop(signal = "SIGTERM", grace = 5_000) {
      child.kill(signal);
      const insist = setTimeout(() => child.kill("SIGKILL"), grace);
      const how = await ended;
      clearTimeout(insist);
      return how;
    },
  };
}
