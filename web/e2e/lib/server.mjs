/** The real server, on free ports and a data directory of its own. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { serveFleet } from "./fleet.mjs";
import { REPOSITORY, scratch, start } from "./processes.mjs";
import { until } from "./until.mjs";

export const BINARY =
  process.env.E2E_TELEHEALTH ?? path.join(process.env.CARGO_TARGET_DIR ?? path.join(REPOSITORY, "target"), "debug/telehealth");

let count = 0;

/** A port nobody listens on, for UDP and TCP alike: this network is the run's own. */
export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await new Promise((ready) => probe.once("listening", ready));
  const { port } = probe.address();
  await new Promise((closed) => probe.close(closed));
  return port;
}

/**
 * Starts `telehealth serve --demo`; resolves when it is ready and has printed its links. `inside` is what starts it
 * in another network, where others reach it over TLS. `config` is a file, `env` goes beside the environment. With
 * E2E_SHAPE=fleet it is a fleet.
 */
export async function serve({ inside = null, config = null, env = {} } = {}) {
  if (process.env.E2E_SHAPE === "fleet") return serveFleet(BINARY, inside);
  const ports = { http: await freePort(), metrics: await freePort(), media: await freePort() };
  const data = scratch("data");
  const server = new Server(`server-${++count}`, ports, data, inside, config, env);
  await server.start();
  return server;
}

class Server {
  constructor(name, ports, data, inside, config, env) {
    Object.assign(this, { name, ports, data, inside, config, env });
    this.url = `http://localhost:${ports.http}`;
  }

  /** Again after a kill: same data, same ports. */
  async start() {
    const ready = path.join(this.data, "ready.json");
    rmSync(ready, { force: true });
    this.process = start(
      this.name,
      this.inside ? this.inside(BINARY) : BINARY,
      [
        ["serve", "--demo", "--data-dir", this.data, "--ready-file", ready, ...(this.inside ? ["--lan"] : [])],
        ["--listen", `${this.inside ? "0.0.0.0" : "localhost"}:${this.ports.http}`, "--metrics-listen", `localhost:${this.ports.metrics}`],
        ["--media-port", String(this.ports.media)],
        this.config ? ["--config", this.config] : [],
      ].flat(),
      { env: { ...this.env, ...(process.env.E2E_WEB_DIR ? { TELEHEALTH__PORTAL__WEB_DIR: process.env.E2E_WEB_DIR } : {}) } },
    );
    let ended = null;
    this.process.ended.then((how) => (ended = how));
    this.links = await until(
      `${this.name} to be ready`,
      () => {
        if (ended) throw new Error(`it ended: ${JSON.stringify(ended)}, see out/${this.name}.log`);
        return existsSync(ready) && JSON.parse(readFileSync(ready, "utf8"));
      },
      { every: 10 },
    );
  }

  kill() {
    return this.process.stop("SIGKILL");
  }

  stop() {
    return this.process.stop();
  }

  /** Resident memory, bytes. */
  memory() {
    const status = readFileSync(`/proc/${this.process.pid}/status`, "utf8");
    return Number(status.match(/VmRSS:\s+(\d+)/)[1]) * 1024;
  }

  /** Value of a metric, summed over its labels that match. */
  async metric(name, label = "") {
    const text = await (await fetch(`http://127.0.0.1:${this.ports.metrics}/metrics`)).text();
    return text
      .split("\n")
      .filter((line) => line.startsWith(name) && line.includes(label))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }
}
