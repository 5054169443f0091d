/**
 * The instruments, before anything is measured with them: a picture and a sound sent from one
 * browser to the other without a server must be recognised, and a wrong one refused.
 */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "../lib/test.mjs";
import { cast } from "../lib/cast.mjs";
import { PEOPLE, SCREENS, isColour, whoIsHeard } from "../lib/people.mjs";
import { coloursOf, hears, hearsAndSeesNothing, seesColour, seesMotion, stats } from "../lib/perception.mjs";

const BARE = `<!doctype html><title>Bare</title><video data-testid="remote-video" autoplay playsinline></video>`;
const REMOTE = "[data-testid=remote-video]";

/** Offers, or answers an offer, with camera and microphone; gathers all candidates first. */
const negotiate = async (offer, send) => {
  const pc = new RTCPeerConnection();
  const stream = send && (await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
  if (offer) await pc.setRemoteDescription(offer);
  if (send) stream.getTracks().forEach((track) => pc.addTrack(track, stream));
  else if (!offer) ["audio", "video"].forEach((kind) => pc.addTransceiver(kind, { direction: "recvonly" }));
  const incoming = new MediaStream();
  pc.ontrack = ({ track }) => incoming.addTrack(track);
  for (const { receiver } of pc.getTransceivers()) incoming.addTrack(receiver.track);
  document.querySelector("video").srcObject = incoming;
  await pc.setLocalDescription();
  while (pc.iceGatheringState !== "complete") await new Promise((wake) => pc.addEventListener("icegatheringstatechange", wake, { once: true }));
  window.pc = pc;
  return pc.localDescription.toJSON();
};
const accept = (answer) => window.pc.setRemoteDescription(answer);

export default () =>
  describe("detectors", () => {
    let web, url, clinician, patient;
    before(async () => {
      web = createServer((_, reply) => reply.setHeader("content-type", "text/html").end(BARE)).listen(0, "127.0.0.1");
      await new Promise((ready) => web.once("listening", ready));
      url = `http://localhost:${web.address().port}/`;
      [clinician, patient] = await Promise.all([cast.clinicianInChromium(), cast.firefox()]);
    });
    after(() => web?.close());

    test("recognise picture and sound between Chromium and Firefox, both ways", async () => {
      const [a, b] = await Promise.all([clinician.open(url), patient.open(url)]);
      const offer = await a.evaluate(negotiate, null, true);
      await a.evaluate(accept, await b.evaluate(negotiate, offer, true));
      await Promise.all([
        seesColour(a, REMOTE, PEOPLE.patient.colour),
        seesColour(b, REMOTE, PEOPLE.clinician.colour),
        hears(a, PEOPLE.patient),
        hears(b, PEOPLE.clinician),
      ]);
      await Promise.all([seesMotion(a, REMOTE), seesMotion(b, REMOTE)]);
      // The same pixels and sound judged as somebody else's.
      const [seen] = await coloursOf(a, REMOTE);
      for (const other of Object.values(PEOPLE)) assert.equal(isColour(seen, other.colour), other === PEOPLE.patient);
      assert.equal(isColour(seen, SCREENS.chromium), false);
      await assert.rejects(hears(a, PEOPLE.clinician, { within: 1_500 }), /heard patient/);
      const [{ pair }] = await stats(a);
      assert.equal(pair.local.protocol, "udp");
      await Promise.all([a.close(), b.close()]);
    });

    test("take silence for silence", async () => {
      const [a, b] = await Promise.all([clinician.open(url), patient.open(url)]);
      const offer = await a.evaluate(negotiate, null, false);
      await a.evaluate(accept, await b.evaluate(negotiate, offer, false));
      await Promise.all([hearsAndSeesNothing(a), hearsAndSeesNothing(b)]);
      await assert.rejects(hears(a, PEOPLE.patient, { within: 500 }), /waited/);
      await Promise.all([a.close(), b.close()]);
    });

    test("refuse two voices at once and name one", () => {
      const level = (tone, db) => ({ ...Object.fromEntries(Object.values(PEOPLE).map((p) => [p.tone, -120])), [tone]: db });
      assert.equal(whoIsHeard(level(PEOPLE.third.tone, -30)).name, "third");
      assert.equal(whoIsHeard(level(PEOPLE.third.tone, -60)), null);
      assert.throws(() => whoIsHeard({ ...level(PEOPLE.third.tone, -30), [PEOPLE.patient.tone]: -45 }), /at once/);
    });
  });
