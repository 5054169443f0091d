import type { ServerMessage } from "../../protocol";

/** A WebSocket whose far end is the test. */
export class FakeSocket {
  readonly sent: ({ type: string; id?: string } & Record<string, unknown>)[] = [];
  closed: number | null = null;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(code: number): void {
    this.closed = code;
  }

  say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The server, or the network, ends it. */
  lose(code: number): void {
    this.onclose?.({ code });
  }

  of(type: string): FakeSocket["sent"] {
    return this.sent.filter((message) => message.type === type);
  }

  last(type: string): FakeSocket["sent"][number] {
    const found = this.of(type).at(-1);
    if (found === undefined) throw new Error(`nothing of type ${type} was sent`);
    return found;
  }
}
