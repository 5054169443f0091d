import { describe, expect, test } from "vitest";
import { Limits } from "../protocol";
import { arrivals, createArrival } from "./arrival";
import { CAMERA_BITRATE, SILENT_MICROPHONE_MS } from "./limits";
import { Meter, scale } from "./meter";
import type { Audio } from "./audio";
import { keepSending } from "./pool";
import { fits, startSharp } from "./sdp";
import { Silence } from "./stall";
import { read } from "./stats";
import { queueView, visitView } from "./testing/session";
import { problem, wish } from "./views";
import { initialState } from "./store";
import type { QueueEntry } from "../protocol";

describe("silence", () => {
  test("grows by ticks, is broken by life, and one tick adds little however late it comes", () => {
    const silence = new Silence();
    expect(silence.tick(1_000, false)).toBe(0);
    expect(silence.tick(1_100, false)).toBe(100);
    expect(silence.tick(61_100, false)).toBe(300);
    expect(silence.tick(61_000, false)).toBe(300);
    expect(silence.tick(61_100, true)).toBe(0);
  });
});

describe("statistics", () => {
  const pair = { id: "p", type: "candidate-pair", localCandidateId: "l", remoteCandidateId: "r", bytesReceived: 7, currentRoundTripTime: 0.05 };
  const local = { id: "l", type: "local-candidate", candidateType: "host", protocol: "udp" };
  const report = (...stats: { id: string }[]) => new Map(stats.map((stat) => [stat.id, stat])) as unknown as RTCStatsReport;

  test("Chromium: by the transport's selected pair", () => {
    const transport = { id: "t", type: "transport", selectedCandidatePairId: "p", bytesReceived: 9 };
    expect(read(report(transport, pair, local))).toMatchObject({ transport: "udp", bytes: 9, rttMs: 50 });
  });

  test("Firefox: by the pair that says it is selected", () => {
    const other = { ...pair, id: "o", localCandidateId: "x", state: "succeeded", nominated: true };
    const remote = { id: "r", type: "remote-candidate", protocol: "tcp" };
    expect(read(report(other, { ...pair, selected: true } as { id: string }, local, remote))).toMatchObject({ transport: "tcp", bytes: 7 });
  });

  test("a relay is a relay, whatever it runs over", () => {
    const transport = { id: "t", type: "transport", selectedCandidatePairId: "p" };
    expect(read(report(transport, pair, { ...local, candidateType: "relay", protocol: "tcp" } as { id: string })).transport).toBe("relay");
  });

  test("before anything is selected there is no transport", () => {
    expect(read(report())).toMatchObject({ transport: null, bytes: 0, rttMs: null });
  });

  test("frames by track; packets and losses over all, a negative loss counts as none", () => {
    const video = { id: "a", type: "inbound-rtp", trackIdentifier: "T", framesDecoded: 3, packetsReceived: 10, packetsLost: -2 };
    const audio = { id: "b", type: "inbound-rtp", trackIdentifier: "A", packetsReceived: 5, packetsLost: 1 };
    const reading = read(report(video, audio));
    expect(Array.from(reading.frames)).toEqual([["T", 3]]);
    expect(reading).toMatchObject({ packets: 15, lost: 1 });
  });
});

describe("SDP", () => {
  test("an offer may have just so many bytes, not characters", () => {
    expect(fits("a".repeat(Limits.offerBytes))).toBe(true);
    expect(fits("a".repeat(Limits.offerBytes + 1))).toBe(false);
    expect(fits("é".repeat(Limits.offerBytes / 2 + 1))).toBe(false);
  });

  const answer = (...extra: string[]) =>
    ["v=0", "m=audio 9 X 111", "a=rtpmap:111 opus/48000/2", "m=video 9 X 96 97", "a=rtpmap:96 VP8/90000", ...extra, "m=video 9 X 96", "a=rtpmap:96 VP8/90000", ""].join("\r\n");

  test("the camera starts sharp, and only the camera", () => {
    expect(startSharp(answer())).toBe(answer("a=fmtp:96 x-google-start-bitrate=1000"));
    expect(startSharp(answer("a=fmtp:96 max-fs=1"))).toBe(answer("a=fmtp:96 max-fs=1;x-google-start-bitrate=1000"));
  });

  test("an answer without VP8 stays as it is", () => {
    expect(startSharp("v=0\r\nm=audio 9 X 111\r\n")).toBe("v=0\r\nm=audio 9 X 111\r\n");
    expect(startSharp("")).toBe("");
  });
});

describe("layers", () => {
  const sender = (...active: boolean[]) => {
    const parameters = { encodings: active.map((is, index) => ({ rid: `${index}`, active: is, scaleResolutionDownBy: 4 })) };
    const set: unknown[] = [];
    const fake = { getParameters: () => parameters, setParameters: (to: unknown) => Promise.resolve(void set.push(to)) };
    return { parameters, set, fake: fake as unknown as RTCRtpSender };
  };

  test("a far side that took only the first still gets a picture, the whole one", async () => {
    const { fake, set, parameters } = sender(false);
    await keepSending(fake);
    expect(set).toEqual([parameters]);
    expect(parameters.encodings[0]).toMatchObject({ active: true, scaleResolutionDownBy: 1, maxBitrate: CAMERA_BITRATE });
  });

  test("what sends already is left alone", async () => {
    for (const active of [[false, false, true], [true], []]) {
      const { fake, set } = sender(...active);
      await keepSending(fake);
      expect(set).toEqual([]);
    }
  });
});

describe("the microphone's level", () => {
  test("is as ears have it", () => {
    expect([0, 0.001, 0.0316, 1, 2].map(scale)).toEqual([0, 0, 0.5, 1, 1]);
  });

  test("nothing but zeros for seconds is a mute switch, unless we muted it ourselves", () => {
    const samples = { value: 0 };
    class FakeAnalyser {
      fftSize = 4;
      context = { state: "running" };
      getFloatTimeDomainData(into: Float32Array) {
        into.fill(samples.value);
      }
    }
    const context = { createMediaStreamSource: () => ({ connect: () => undefined, disconnect: () => undefined }) };
    (globalThis as { AnalyserNode?: unknown }).AnalyserNode = FakeAnalyser;
    const meter = new Meter({ wake: () => context } as unknown as Audio);
    meter.attach({} as MediaStream);
    meter.read(0, true);
    meter.read(SILENT_MICROPHONE_MS - 1, true);
    expect(meter.mute).toBe(false);
    meter.read(SILENT_MICROPHONE_MS, true);
    expect(meter).toMatchObject({ mute: true, heard: false });
    samples.value = 0.5;
    expect(meter.read(SILENT_MICROPHONE_MS + 1, true)).toBe(0.9);
    expect(meter).toMatchObject({ mute: false, heard: true });
    expect(meter.read(SILENT_MICROPHONE_MS + 2, false)).toBe(0);
    delete (globalThis as { AnalyserNode?: unknown }).AnalyserNode;
  });
});

describe("arrivals", () => {
  const entry = (visit: string, is: "waiting" | "booked"): QueueEntry => ({
    visit,
    participant: visit,
    name: visit,
    reason: "",
    scheduledAt: null,
    phase: is === "waiting" ? { is, since: 1, ahead: 0, minutes: null } : { is },
    modality: null,
    devices: { microphone: "good", camera: "good", speaker: "good", network: "good" },
    connected: true,
    awaySince: null,
  });
  const queue = (...entries: QueueEntry[]) => queueView({ entries });

  test("whoever waits now and did not before; nobody on the first view", () => {
    expect(arrivals(null, queue(entry("a", "waiting")))).toEqual([]);
    const before = queue(entry("a", "waiting"), entry("b", "booked"));
    const after = queue(entry("a", "waiting"), entry("b", "waiting"), entry("c", "booked"));
    expect(arrivals(before, after).map(({ visit }) => visit)).toEqual(["b"]);
    expect(arrivals(after, after)).toEqual([]);
  });

  test("notifies only while the page is hidden and people allowed it", async () => {
    const shown: string[] = [];
    class Fake {
      static permission = "granted";
      onclick = null;
      constructor(title: string) {
        shown.push(title);
      }
      close() {
        shown.push("closed");
      }
    }
    let visible = true;
    const Notification = Fake as unknown as typeof globalThis.Notification;
    const arrival = createArrival({ AudioContext: undefined, visible: () => visible, Notification });
    const text = { title: "Somebody is here", body: "" };
    expect(await arrival.announce(text)).toBe(false);
    expect(shown).toEqual([]);
    visible = false;
    await arrival.announce(text);
    Fake.permission = "denied";
    await arrival.announce(text);
    expect(shown).toEqual(["Somebody is here"]);
    arrival.dispose();
    expect(shown).toEqual(["Somebody is here", "closed"]);
  });

  test("a browser without notifications", async () => {
    const arrival = createArrival({ AudioContext: undefined, visible: () => false, Notification: undefined });
    expect(arrival.permission).toBe("unsupported");
    expect(await arrival.enable()).toBe("unsupported");
  });
});

describe("views", () => {
  test("the wish is the visit's, and between visits the queue's", () => {
    const state = initialState(true);
    const visit = visitView();
    const queue = queueView({ media: "warm" });
    expect(wish(state)).toBe("idle");
    expect(wish({ ...state, queue })).toBe("warm");
    expect(wish({ ...state, queue, visit })).toBe("live");
    expect(wish({ ...state, visit: visitView({ media: "idle" }) })).toBe("idle");
    expect(wish({ ...state, queue, visit: visitView({ media: "idle" }) })).toBe("warm");
  });

  test("a reference is short, and in letters that cannot be misheard for digits", () => {
    expect(problem("internal", 0.999999).reference).toMatch(/^INTERNAL-[2-9A-HJ-NP-Z]{4}$/);
    expect(problem("internal", 0.1).reference).not.toBe(problem("internal", 0.2).reference);
  });
});
