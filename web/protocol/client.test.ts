import { describe, expect, test } from "vitest";
import { MAX_UNANSWERED, OPEN_WITHIN_MS, PING_AFTER_MS, PONG_WITHIN_MS, PROBE_WITHIN_MS } from "./limits";
import { CloseCode, type Link, type Output, SignalingClient } from "./index";

const WELCOME = JSON.stringify({
  type: "welcome",
  participant: "p",
  role: "patient",
  resumeToken: "resume-1",
  serverTime: 1,
  build: "b",
});

/** The machine with its shell replaced by arrays. */
function harness(credentials: { join?: string; secret?: string; resume?: string; traceparent?: string } = { secret: "s" }) {
  let ids = 0;
  const client = new SignalingClient({
    join: credentials.join ?? null,
    secret: credentials.secret ?? null,
    resume: credentials.resume ?? null,
    canShareScreen: true,
    random: () => 0,
    newId: () => `id-${++ids}`,
    ...(credentials.traceparent === undefined ? {} : { traceparent: credentials.traceparent }),
  });
  let now = 0;
  let link: Link | null = null;
  const settled: Record<string, string> = {};
  const drain = () => {
    const done: Output[] = [];
    for (let output = client.poll(); output; output = client.poll()) {
      if (output.do === "link") link = output.link;
      else if (output.do === "settle") settled[output.id] = output.answer.ok ? "ok" : output.answer.code;
      else done.push(output);
    }
    return done;
  };
  return {
    client,
    settled,
    drain,
    link: () => link,
    after: (ms: number) => {
      now += ms;
      client.handleTimeout(now);
      return drain();
    },
    start: () => (client.start(now), drain()),
    granted: (joinToken = "join") => (client.handleExchanged(now, { is: "granted", joinToken }), drain()),
    opened: () => (client.handleOpened(now), drain()),
    text: (data: unknown) => (client.handleText(now, data), drain()),
    closed: (code: number) => (client.handleClosed(now, code), drain()),
    probe: () => (client.probe(now), drain()),
    online: () => (client.handleOnline(now), drain()),
    takeOver: () => (client.takeOver(now), drain()),
    /** Up to `open` by the link. */
    open() {
      this.start();
      this.granted();
      this.opened();
      return this.text(WELCOME);
    },
  };
}

const sent = (outputs: Output[]): { type: string; id?: string; token?: string }[] =>
  outputs.flatMap((output) => (output.do === "send" ? [JSON.parse(output.text)] : []));
const verbs = (outputs: Output[]): string[] => outputs.map((output) => output.do);

describe("opening", () => {
  test("exchanges the link, says hello with the join token, keeps the resume token", () => {
    const h = harness();
    expect(h.start()).toEqual([{ do: "exchange", secret: "s" }]);
    expect(h.link()).toEqual({ is: "exchanging" });
    expect(h.granted()).toEqual([{ do: "connect" }]);
    expect(sent(h.opened())).toEqual([{ type: "hello", token: "join", build: "", canShareScreen: true }]);
    expect(h.text(WELCOME)[0]).toEqual({ do: "keep", resume: "resume-1" });
    expect(h.link()).toEqual({ is: "open" });
  });

  test("says which trace the page is, where it is one", () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const h = harness({ resume: "kept", traceparent });
    h.start();
    expect(sent(h.opened())[0]).toMatchObject({ type: "hello", traceparent });
  });

  test("a reload resumes without the link", () => {
    const h = harness({ resume: "kept" });
    expect(verbs(h.start())).toEqual(["connect"]);
    expect(sent(h.opened())[0]).toMatchObject({ type: "hello", token: "kept" });
  });

  test("a reload that still knows the link keeps its seat rather than taking it anew", () => {
    expect(verbs(harness({ secret: "s", resume: "kept" }).start())).toEqual(["connect"]);
  });

  test("connects with the right that another page left, once, and resumes afterwards", () => {
    const h = harness({ join: "left" });
    expect(verbs(h.start())).toEqual(["connect"]);
    expect(sent(h.opened())[0]).toMatchObject({ type: "hello", token: "left" });
    h.text(WELCOME);
    h.closed(1006);
    h.after(60_000);
    expect(sent(h.opened())[0]).toMatchObject({ type: "hello", token: "resume-1" });
  });

  test("neither link nor token: refused, nothing is tried", () => {
    const h = harness({});
    expect(h.start()).toEqual([]);
    expect(h.link()).toEqual({ is: "refused", because: "no-secret", clinic: null });
  });

  test("a link that is over says whom to call", () => {
    const h = harness();
    h.start();
    const clinic = { name: "Riverside", phone: "555-0100" };
    h.client.handleExchanged(0, { is: "refused", because: "over", clinic });
    h.drain();
    expect(h.link()).toEqual({ is: "refused", because: "over", clinic });
  });

  test("an exchange that fails is tried again", () => {
    const h = harness();
    h.start();
    h.client.handleExchanged(0, { is: "failed" });
    h.drain();
    expect(h.link()).toMatchObject({ is: "reconnecting", attempt: 1 });
    expect(verbs(h.after(125))).toEqual(["exchange"]);
  });

  test("a socket that never opens, and one that never welcomes, are given up", () => {
    const h = harness();
    h.start();
    h.granted();
    expect(verbs(h.after(OPEN_WITHIN_MS - 1))).toEqual([]);
    expect(verbs(h.after(1))).toEqual(["drop"]);
    // The join token was not used, so it may be.
    expect(h.link()).toMatchObject({ is: "reconnecting" });
  });

  test("messages before the welcome are ignored", () => {
    const h = harness();
    h.start();
    h.granted();
    h.opened();
    expect(h.text(JSON.stringify({ type: "visit", visit: null }))).toEqual([]);
  });
});

describe("coming back", () => {
  test.each([1001, 1006, 1011, CloseCode.Restart, CloseCode.TryAgainLater, 4429])("%i reconnects by the resume token", (code) => {
    const h = harness();
    h.open();
    expect(h.closed(code)).toEqual([]);
    expect(h.link()).toEqual({ is: "reconnecting", since: 0, attempt: 1 });
    expect(verbs(h.after(124))).toEqual([]);
    expect(verbs(h.after(1))).toEqual(["connect"]);
    expect(sent(h.opened())[0]).toMatchObject({ type: "hello", token: "resume-1" });
  });

  test("pauses grow, and start small again only after a connection that held", () => {
    const h = harness();
    h.open();
    const pauses: number[] = [];
    for (let i = 0; i < 10; i++) {
      h.closed(1006);
      let waited = 0;
      while (!verbs(h.after(1)).includes("connect")) waited += 1;
      pauses.push(waited + 1);
    }
    expect(pauses).toEqual([125, 188, 281, 422, 633, 949, 1424, 2136, 2500, 2500]);
    h.opened();
    h.text(WELCOME);
    h.closed(1006);
    expect(h.link()).toMatchObject({ attempt: 11 });
    h.after(2500);
    h.opened();
    h.text(WELCOME);
    h.after(5000);
    h.closed(1006);
    expect(h.link()).toMatchObject({ attempt: 1 });
  });

  test("the age of a loss counts from its beginning", () => {
    const h = harness();
    h.open();
    h.after(1000);
    h.closed(1006);
    h.after(125);
    h.closed(1006);
    expect(h.link()).toEqual({ is: "reconnecting", since: 1000, attempt: 2 });
  });

  test("the device comes online: no pause", () => {
    const h = harness();
    h.open();
    h.closed(1006);
    expect(verbs(h.online())).toEqual(["connect"]);
  });

  test("lost before the welcome: the join token was used up, the link is exchanged anew", () => {
    const h = harness();
    h.start();
    h.granted();
    h.opened();
    h.closed(1006);
    expect(verbs(h.after(125))).toEqual(["exchange"]);
  });
});

describe("not coming back", () => {
  test("4409 never reconnects by itself, and does when a person asks", () => {
    const h = harness();
    h.open();
    h.closed(CloseCode.Replaced);
    expect(h.link()).toEqual({ is: "replaced" });
    for (let i = 0; i < 100; i++) expect(h.after(60_000)).toEqual([]);
    expect(h.online()).toEqual([]);
    expect(verbs(h.takeOver())).toEqual(["exchange"]);
    expect(h.link()).toEqual({ is: "exchanging" });
  });

  test("a replaced tab without a secret takes over by its resume token", () => {
    const h = harness({ resume: "kept" });
    h.start();
    h.opened();
    h.closed(CloseCode.Replaced);
    expect(verbs(h.takeOver())).toEqual(["connect"]);
  });

  test("4401 on a resume token: exchange the link again, forget the token", () => {
    const h = harness();
    h.open();
    expect(h.closed(4401)).toEqual([
      { do: "keep", resume: null },
      { do: "exchange", secret: "s" },
    ]);
  });

  test("4401 without a link: refused", () => {
    const h = harness({ resume: "kept" });
    h.start();
    h.opened();
    h.closed(4401);
    expect(h.link()).toMatchObject({ is: "refused", because: "unknown" });
    expect(h.after(60_000)).toEqual([]);
  });

  test("4401 on fresh tokens again and again: refused, not a loop", () => {
    const h = harness();
    h.start();
    for (let i = 0; i < 3; i++) {
      h.after(10_000);
      h.granted();
      h.opened();
      h.closed(4401);
    }
    expect(h.link()).toMatchObject({ is: "refused" });
  });

  test("1000 is the end", () => {
    const h = harness();
    h.open();
    h.closed(1000);
    expect(h.link()).toEqual({ is: "closed" });
    expect(h.after(60_000)).toEqual([]);
  });
});

describe("commands", () => {
  test("go out, and settle once by their answer", () => {
    const h = harness();
    h.open();
    const id = h.client.command({ type: "leave" });
    expect(sent(h.drain())).toEqual([{ type: "leave", id }]);
    h.text(JSON.stringify({ type: "ok", re: id }));
    expect(h.settled).toEqual({ [id]: "ok" });
    h.text(JSON.stringify({ type: "error", re: id, code: "internal", message: "" }));
    expect(h.settled).toEqual({ [id]: "ok" });
  });

  test("a refusal carries its code", () => {
    const h = harness();
    h.open();
    const id = h.client.command({ type: "leave" });
    h.text(JSON.stringify({ type: "error", re: id, code: "wrong-state", message: "no" }));
    expect(h.settled[id]).toBe("wrong-state");
  });

  test("unanswered ones are sent again with the same id, in order, and answered ones are not", () => {
    const h = harness();
    h.open();
    const answered = h.client.command({ type: "chat", visit: "v", text: "one" });
    const first = h.client.command({ type: "chat", visit: "v", text: "two" });
    h.text(JSON.stringify({ type: "ok", re: answered }));
    h.closed(1012);
    const second = h.client.command({ type: "chat", visit: "v", text: "three" });
    h.drain();
    h.after(125);
    h.opened();
    expect(sent(h.text(WELCOME)).map((message) => message.id)).toEqual([first, second]);
    expect(h.settled).toEqual({ [answered]: "ok" });
  });

  test("what is bound to a connection is refused with it, never sent on another", () => {
    const h = harness();
    h.open();
    const id = h.client.command({ type: "offer", sdp: "v=0", restart: false }, true);
    h.drain();
    h.closed(1006);
    expect(h.settled[id]).toBe("disconnected");
    h.after(125);
    h.opened();
    expect(sent(h.text(WELCOME))).toEqual([]);
    h.closed(1006);
    const offline = h.client.command({ type: "offer", sdp: "v=0", restart: false }, true);
    h.drain();
    expect(h.settled[offline]).toBe("disconnected");
  });

  test("a message that made the server close 1008 is not sent again", () => {
    const h = harness();
    h.open();
    const bad = h.client.command({ type: "chat", visit: "v", text: "" });
    h.drain();
    h.closed(1008);
    expect(h.settled[bad]).toBe("bad-message");
    h.after(125);
    h.opened();
    expect(sent(h.text(WELCOME))).toEqual([]);
  });

  test("the table holds its limit and refuses one more", () => {
    const h = harness();
    h.open();
    const ids = Array.from({ length: MAX_UNANSWERED + 1 }, () => h.client.command({ type: "leave" }));
    expect(sent(h.drain())).toHaveLength(MAX_UNANSWERED);
    expect(h.settled).toEqual({ [ids.at(-1) ?? ""]: "full" });
  });

  test("replaced: every unanswered command is refused", () => {
    const h = harness();
    h.open();
    const id = h.client.command({ type: "leave" });
    h.closed(CloseCode.Replaced);
    expect(h.settled[id]).toBe("replaced");
  });
});

describe("signs of life", () => {
  test("a quiet server is pinged after 10 s and given up 5 s later", () => {
    const h = harness();
    h.open();
    expect(h.after(PING_AFTER_MS - 1)).toEqual([]);
    expect(sent(h.after(1))).toEqual([{ type: "ping", nonce: 1 }]);
    expect(h.after(PONG_WITHIN_MS - 1)).toEqual([]);
    expect(verbs(h.after(1))).toEqual(["drop"]);
    expect(h.link()).toMatchObject({ is: "reconnecting" });
  });

  test("a pong, or any other word, is life", () => {
    const h = harness();
    h.open();
    h.after(PING_AFTER_MS);
    h.text(JSON.stringify({ type: "pong", nonce: 1 }));
    expect(h.after(PONG_WITHIN_MS)).toEqual([]);
    h.text("from a newer version");
    expect(h.after(PING_AFTER_MS - 1)).toEqual([]);
  });

  test("a probe gives the server two seconds", () => {
    const h = harness();
    h.open();
    expect(sent(h.probe())).toMatchObject([{ type: "ping" }]);
    expect(verbs(h.after(PROBE_WITHIN_MS))).toEqual(["drop"]);
  });
});
