/** A network that blocks UDP: media goes by TCP, and the page says that the way is slower. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "../lib/test.mjs";
import { call } from "../lib/call.mjs";
import { cast } from "../lib/cast.mjs";
import { blockUdp } from "../lib/firewall.mjs";
import { says } from "../lib/journeys.mjs";
import { looks } from "../lib/looks.mjs";
import { stats } from "../lib/perception.mjs";
import { serve } from "../lib/server.mjs";
import { until } from "../lib/until.mjs";

export default () =>
  describe("UDP is blocked", () => {
    let lift;
    before(() => {
      lift = blockUdp();
    });
    after(() => lift?.());

    for (const [title, clinicianIn, patientIn] of [
      ["Chromium leads", cast.clinicianInChromium, cast.firefox],
      ["Firefox leads", cast.firefox, cast.patientInChromium],
    ]) {
      test(`both see and hear each other over TCP, ${title}`, async (t) => {
        const server = await serve();
        t.after(() => server.stop());
        const { desk, patient, close } = await call(server, { clinicianIn, patientIn });
        t.after(close);
        for (const page of [desk, patient]) {
          const pair = await until(`${page.who} to name the path in use`, async () => (await stats(page)).at(-1)?.pair);
          assert.equal(pair.local.protocol, "tcp", page.who);
          assert.equal(pair.remote.protocol, "tcp", page.who);
          await until(`${page.who} to receive video over it`, async () =>
            (await stats(page)).at(-1).inbound.some((s) => s.kind === "video" && s.bytesReceived > 10_000),
          );
        }
        await says(patient, "Connected by a slower route");
        if (patient.kind === "firefox") await looks(patient, "patient-call-tcp");
      });
    }
  });
