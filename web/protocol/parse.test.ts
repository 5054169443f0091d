import { describe, expect, test } from "vitest";
import { MAX_SERVER_MESSAGE_CHARS } from "./limits";
import { parse } from "./parse";

const visit = {
  id: "v",
  clinic: { name: "Riverside", phone: "555-0100" },
  practitioner: "Dr Lee",
  reason: "Knee",
  scheduledAt: null,
  phase: { is: "waiting", since: 1, ahead: 2, minutes: [10, 20] },
  media: "warm",
  participants: [
    {
      id: "p",
      role: "patient",
      name: "Marisol",
      connected: true,
      awaySince: null,
      microphone: true,
      camera: false,
      canShareScreen: true,
    },
  ],
  sharer: null,
  shareRequests: [],
};

const valid = {
  welcome: { type: "welcome", participant: "p", role: "patient", resumeToken: "t", serverTime: 1, build: "b" },
  visit: { type: "visit", visit },
  between: { type: "visit", visit: null },
  queue: {
    type: "queue",
    queue: {
      clinic: visit.clinic,
      practitioner: "Dr Lee",
      entries: [
        {
          visit: "v",
          participant: "p",
          name: "Marisol",
          reason: "",
          scheduledAt: 5,
          phase: { is: "ended", at: 1, outcome: "denied", reason: null },
          modality: "sound",
          devices: { microphone: "good", camera: "off", speaker: "unknown", network: "weak" },
          connected: false,
          awaySince: 7,
          escalatedAt: 9,
          unrecordedFrom: 4,
        },
      ],
      more: 0,
      media: "idle",
      unrecorded: true,
    },
  },
  history: { type: "chat-history", visit: "v", messages: [{ seq: 1, from: "p", role: "patient", at: 1, text: "hi" }] },
  chat: { type: "chat", visit: "v", message: { seq: 1, from: "p", role: "patient", at: 1, text: "hi" } },
  answer: { type: "answer", re: "i", sdp: "v=0" },
  closed: { type: "media-closed" },
  slots: { type: "slots", slots: ["p", null], screen: null },
  ok: { type: "ok", re: "i" },
  invited: { type: "invited", re: "i", visit: "v", link: "http://h/visit#k=x" },
  error: { type: "error", re: null, code: "internal", message: "m" },
  pong: { type: "pong", nonce: 4 },
};

/** What is left out where there is nothing to say. */
const optional = new Set<unknown>(["escalatedAt", "unrecordedFrom", "unrecorded"]);

test.each(Object.entries(valid))("%s is understood", (_, message) => {
  expect(parse(JSON.stringify(message))).toEqual(message);
});

test("a newer server may add fields", () => {
  expect(parse(JSON.stringify({ ...valid.ok, since: 1 }))).not.toBeNull();
});

describe("every field that is missing or of another kind makes it no message", () => {
  for (const [name, message] of Object.entries(valid)) {
    for (const path of paths(message)) {
      test(`${name}: ${path.join(".")}`, () => {
        // In a list JSON writes `undefined` as `null`, which an empty slot may be.
        const mayLack = typeof path.at(-1) === "number" || optional.has(path.at(-1));
        const wrongs = mayLack ? [{ nested: true }] : [undefined, { nested: true }];
        for (const wrong of wrongs) {
          expect(parse(JSON.stringify(change(message, path, wrong)))).toBeNull();
        }
      });
    }
  }
});

test.each<[unknown, string]>([
  ["", "empty"],
  ["{", "not JSON"],
  ["null", "null"],
  ["[]", "a list"],
  ["7", "a number"],
  ['{"type":"__proto__"}', "a name every object has"],
  ['{"type":"constructor"}', "another"],
  ['{"type":"from-tomorrow"}', "an unknown type"],
  [new ArrayBuffer(3), "binary"],
  [undefined, "nothing"],
])("%j (%s) is no message", (data) => {
  expect(parse(data)).toBeNull();
});

test("longer than the limit is not even looked at", () => {
  const pad = (length: number) => '{"type":"media-closed"}'.padEnd(length, " ");
  expect(parse(pad(MAX_SERVER_MESSAGE_CHARS))).not.toBeNull();
  expect(parse(pad(MAX_SERVER_MESSAGE_CHARS + 1))).toBeNull();
});

/** The way to each leaf and each inner object. */
function paths(value: unknown, way: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return way.length > 0 ? [way] : [];
  const inner = Object.entries(value).flatMap(([key, next]) => paths(next, [...way, Array.isArray(value) ? Number(key) : key]));
  return way.length > 0 ? [way, ...inner] : inner;
}

function change(value: unknown, way: (string | number)[], to: unknown): unknown {
  const copy = structuredClone(value) as Record<string | number, unknown>;
  let at = copy;
  for (const key of way.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = way.at(-1) ?? "";
  at[last] = to;
  return copy;
}
