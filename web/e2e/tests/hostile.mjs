/** 50,000 hostile packets a second for 30 s, while two people talk who must not notice. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "../lib/test.mjs";
import { call, together } from "../lib/call.mjs";
import { figure } from "../lib/figures.mjs";
import { stats } from "../lib/perception.mjs";
import { start } from "../lib/processes.mjs";
import { BINARY, serve } from "../lib/server.mjs";

const FLOOD = path.join(path.dirname(BINARY), "examples/flood");
const PACKETS_PER_SECOND = 50_000;
const SECONDS = 30;
const MAX_GROWTH_BYTES = 8 * 1024 * 1024;
const MAX_LOSS = 0.001;

export default () =>
  describe("hostile packets", () => {
    let server, desk, patient, close;
    before(async () => {
      assert.ok(existsSync(FLOOD), `${FLOOD} is missing: cargo build -p sfu --example flood`);
      server = await serve();
      ({ desk, patient, close } = await call(server));
    });
    after(async () => {
      await close?.();
      await server?.stop();
    });

    test("garbage and impersonation cost a running call nothing", async () => {
      const [mine, theirs] = await Promise.all([desk, patient].map((page) => seat(page)));
      const before = { memory: server.memory(), counts: await Promise.all([desk, patient].map(counted)) };
      let report = "";
      const flood = start(
        "flood",
        FLOOD,
        [
          ["--to", mine.server, "--as", mine.client, "--as", theirs.client, "--username", mine.username],
          ["--pps", String(PACKETS_PER_SECOND), "--seconds", String(SECONDS)],
        ].flat(),
        { onLine: (line) => (report = line) },
      );
      const { code } = await flood.ended;
      assert.equal(code, 0);
      const sent = JSON.parse(report);
      const growth = server.memory() - before.memory;
      const counts = await Promise.all([desk, patient].map(counted));
      const loss = Math.max(...counts.map((now, at) => (now.lost - before.counts[at].lost) / (now.expected - before.counts[at].expected)));
      figure("flood_packets_per_s", sent.pps);
      figure("flood_memory_growth_mib", growth / 1024 / 1024);
      figure("flood_call_loss", loss);
      assert.ok(sent.pps > PACKETS_PER_SECOND * 0.95, `only ${sent.pps} packets a second were sent`);
      assert.ok(growth <= MAX_GROWTH_BYTES, `memory grew by ${growth} bytes`);
      assert.ok(loss <= MAX_LOSS, `the call lost ${loss * 100} %`);
      await together(desk, patient);
      // The same connections as before: nobody was thrown out and came back.
      assert.deepEqual(await Promise.all([desk, patient].map(async (page) => (await seat(page)).client)), [mine.client, theirs.client]);
    });
  });

/** The addresses of this page's connection, and the user name its STUN requests carry. */
async function seat(page) {
  const { pair } = (await stats(page)).at(-1);
  const username = await page.evaluate(() => {
    const { pc } = window.__probe.peers.at(-1);
    const ufrag = ({ sdp }) => sdp.match(/a=ice-ufrag:(\S+)/)[1];
    return `${ufrag(pc.remoteDescription)}:${ufrag(pc.localDescription)}`;
  });
  const at = ({ address, ip, port }) => `${address ?? ip}:${port}`;
  return { client: at(pair.local), server: at(pair.remote), username };
}

/** Packets lost and expected so far, over everything received. */
async function counted(page) {
  const inbound = (await stats(page)).flatMap((s) => s.inbound);
  const sum = (field) => inbound.reduce((total, s) => total + (s[field] ?? 0), 0);
  return { lost: sum("packetsLost"), expected: sum("packetsLost") + sum("packetsReceived") };
}
