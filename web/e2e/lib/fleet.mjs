/** The same platform as a fleet: deploy/local/fleet, with the roles as processes of this run's own. */
import { readFileSync, rmSync, existsSync } from "node:fs";
import path from "node:path";
import { REPOSITORY, scratch, start } from "./processes.mjs";
import { until } from "./until.mjs";

const SCRIPT = path.join(REPOSITORY, "deploy/local/fleet");
export const ROLES = ["signaling-1", "signaling-2", "sfu-1", "sfu-2", "portal-1", "portal-2"];
/** Ports of one fleet; the next begins so far behind. */
const PORTS = 100;

let count = 0;

/**
 * Starts the engines, then every role; resolves when all are ready and the demonstration clinic is open. `inside` is
 * what starts them in another network, where others reach them over TLS.
 */
export async function serveFleet(binary, inside) {
  const fleet = new Fleet(`fleet-${++count}`, 20_000 + count * PORTS, binary, inside);
  await fleet.startEngines();
  await fleet.start();
  return fleet;
}

class Fleet {
  constructor(name, base, binary, inside) {
    Object.assign(this, { name, base, roles: new Map() });
    this.script = inside ? inside(SCRIPT) : SCRIPT;
    this.data = scratch("fleet");
    this.ports = { http: base + 90 };
    this.url = `http://localhost:${this.ports.http}`;
    this.env = {
      FLEET_DATA: this.data,
      FLEET_BASE: String(base),
      FLEET_PORT: String(this.ports.http),
      FLEET_BINARY: binary,
      FLEET_LAN: inside ? "1" : "0",
      ...(process.env.E2E_WEB_DIR ? { TELEHEALTH__PORTAL__WEB_DIR: process.env.E2E_WEB_DIR } : {}),
    };
  }

  async startEngines() {
    let ready = false;
    const onLine = (line) => (ready ||= line === "ready");
    this.engines = start(`${this.name}-engines`, this.script, ["engines"], { env: this.env, onLine });
    let ended = null;
    this.engines.ended.then((how) => (ended = how));
    await until(`${this.name}'s engines to be ready`, () => {
      if (ended) throw new Error(`they ended: ${JSON.stringify(ended)}, see out/${this.name}-engines.log`);
      return ready;
    });
  }

  /** Again after a kill: same data, same ports. */
  async start() {
    // The first makes the keys that the others share.
    const [first, ...others] = ROLES;
    this.links = await this.startRole(first);
    await Promise.all(others.map((role) => this.startRole(role)));
    if (this.env.FLEET_LAN === "1") return;
    await until("the edge to see the portal", async () => (await fetch(this.url).catch(() => null))?.ok);
  }

  async startRole(role) {
    const ready = path.join(this.data, role, "ready.json");
    rmSync(ready, { force: true });
    const name = `${this.name}-${role}`;
    const running = start(name, this.script, ["role", role], { env: this.env });
    this.roles.set(role, running);
    let ended = null;
    running.ended.then((how) => (ended = how));
    return until(
      `${name} to be ready`,
      () => {
        if (ended) throw new Error(`it ended: ${JSON.stringify(ended)}, see out/${name}.log`);
        return existsSync(ready) && JSON.parse(readFileSync(ready, "utf8"));
      },
      { every: 10 },
    );
  }

  /** Every role at once, as if all machines but those of the engines had lost power. */
  async kill() {
    await Promise.all([...this.roles.values()].map((running) => running.stop("SIGKILL")));
  }

  /** As a rolling update does: it says goodbye and is there again. Resolves when the edge sends it people again. */
  async restartRole(role) {
    await this.roles.get(role).stop("SIGTERM", 15_000);
    await this.startRole(role);
    await until(`${role} to be ready`, async () => (await fetch(`http://127.0.0.1:${this.#metricsOf(role)}/readyz`)).ok);
  }

  #metricsOf(role) {
    return this.base + (ROLES.indexOf(role) + 1) * 10 + 1;
  }

  killRole(role) {
    return this.roles.get(role).stop("SIGKILL");
  }

  /** To every engine at once: SIGSTOP and SIGCONT, as if their machines were cut off. */
  signalEngines(signal) {
    for (const engine of ["postgres", "redis", "nats"]) {
      const pid = Number(readFileSync(path.join(this.data, `${engine}.pid`), "utf8"));
      // PostgreSQL is a process and its children.
      for (const each of [pid, ...childrenOf(pid)]) process.kill(each, signal);
    }
  }

  /** Those roles, by a metric of theirs, the highest first. */
  async busiest(roles, name) {
    const figures = await Promise.all(roles.map(async (role) => [role, await this.#metric([role], name, "")]));
    return figures.sort(([, a], [, b]) => b - a).map(([role]) => role);
  }

  async stop() {
    await Promise.all([...this.roles.values()].map((running) => running.stop("SIGTERM", 12_000)));
    await this.engines.stop();
  }

  /** Resident memory of the media nodes, bytes. */
  memory() {
    return ["sfu-1", "sfu-2"]
      .map((role) => readFileSync(`/proc/${this.roles.get(role).pid}/status`, "utf8"))
      .reduce((sum, status) => sum + Number(status.match(/VmRSS:\s+(\d+)/)[1]) * 1024, 0);
  }

  /** Value of a metric, summed over all processes and over its labels that match. */
  metric(name, label = "") {
    return this.#metric(ROLES, name, label);
  }

  async #metric(roles, name, label) {
    const ports = roles.map((role) => this.#metricsOf(role));
    const texts = await Promise.all(ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()));
    return texts
      .join("\n")
      .split("\n")
      .filter((line) => line.startsWith(name) && line.includes(label))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }
}

function childrenOf(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}
