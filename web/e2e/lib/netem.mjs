/**
 * A weak network between browsers: `loadtest netem` (docs/netem.md), told what to be like as the test goes on.
 * Server and desk stand at one end of it, the patient at the other.
 */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { NFT, blockUdp } from "./firewall.mjs";
import { scratch, start } from "./processes.mjs";
import { BINARY } from "./server.mjs";
import { until } from "./until.mjs";

const LOADTEST = process.env.E2E_LOADTEST ?? path.join(path.dirname(BINARY), "loadtest");

/** Makes the network. It begins by this script: a profile's name, or TOML. */
export async function weakNetwork(script) {
  const network = new Network(scratch("netem"));
  await network.make(script);
  return network;
}

class Network {
  #scripts = 0;
  #answers = [];

  constructor(directory) {
    this.directory = directory;
  }

  async make(script) {
    const places = path.join(this.directory, "places");
    this.process = start(
      "netem",
      LOADTEST,
      [
        ["netem", "--control", "--report", path.join(this.directory, "report.json"), "--script", this.#file(script)],
        ["--client", `patient=env >${places}.new; mv ${places}.new ${places}; exec sleep infinity`],
      ].flat(),
      { input: true, onLine: (line) => this.#answers.push(line) },
    );
    let ended = null;
    this.process.ended.then((how) => (ended = how));
    const text = await until("the weak network to be there", () => {
      if (ended) throw new Error(`it ended: ${JSON.stringify(ended)}: ${this.#answers.join(" ")}`);
      return existsSync(places) && readFileSync(places, "utf8");
    });
    // Paths are as the router sees them, which is process 1 in there.
    const router = readFileSync(`/proc/${this.process.pid}/task/${this.process.pid}/children`, "utf8").trim();
    const place = (name) => text.match(new RegExp(`^NETEM_NET_${name}=(.*)$`, "m"))[1].replace(/^\/proc\/1\//, `/proc/${router}/`);
    this.atServer = this.#starter("server", place("SERVER"));
    this.atPatient = this.#starter("patient", place("PATIENT"));
    /** From now on no UDP leaves the patient's device. */
    this.blockUdpAtPatient = () => void blockUdp(this.atPatient(NFT));
  }

  /** From now on the patient's link follows this script: a profile's name, or TOML. Resolves when it does. */
  async become(script) {
    const line = `patient=${this.#file(script)}`;
    this.#answers.length = 0;
    this.process.tell(line);
    await until(`the network to become ${script}`, () => {
      const refused = this.#answers.find((answer) => answer.startsWith("refused: "));
      if (refused) throw new Error(refused);
      return this.#answers.includes(line);
    }, { every: 10 });
  }

  /** Takes it away; what became of the packets. */
  async stop() {
    await this.process.stop();
    const report = path.join(this.directory, "report.json");
    return existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : null;
  }

  #file(script) {
    if (/^[\w-]+$/.test(script)) return script;
    const file = path.join(this.directory, `script-${++this.#scripts}.toml`);
    writeFileSync(file, script);
    return file;
  }

  /** Makes of a program one that starts in that network, with the same arguments and descriptors. */
  #starter(name, net) {
    return (program) => {
      const file = path.join(this.directory, `${path.basename(program)}-at-${name}`);
      writeFileSync(file, `#!/bin/sh\nexec nsenter --net=${net} '${program}' "$@"\n`);
      chmodSync(file, 0o700);
      return file;
    };
  }
}
