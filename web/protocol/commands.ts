/**
 * The table of commands without an answer. A command keeps its id for life: sent again after a reconnect,
 * the server carries it out once and answers again, so a person's click is neither lost nor doubled.
 */
import type { ClientMessage } from "./generated";
import { MAX_UNANSWERED } from "./limits";

type WithoutId<T> = T extends { id: string } ? Omit<T, "id"> : never;

/** A message that is answered, before it has its id. */
export type Command = WithoutId<ClientMessage>;

interface Entry {
  message: ClientMessage;
  /** Means nothing on another connection (an SDP offer): refused when its connection is lost. */
  bound: boolean;
  sent: boolean;
}

export class Commands {
  readonly #table = new Map<string, Entry>();

  /** Takes a command; `null` when the table is full. */
  add(id: string, command: Command, bound: boolean): ClientMessage | null {
    if (this.#table.size >= MAX_UNANSWERED) return null;
    const message = { ...command, id } as ClientMessage;
    this.#table.set(id, { message, bound, sent: false });
    return message;
  }

  markSent(id: string): void {
    const entry = this.#table.get(id);
    if (entry) entry.sent = true;
  }

  /** Answered: true if it was ours and unanswered until now. */
  settle(id: string): boolean {
    return this.#table.delete(id);
  }

  /** What to send on a fresh connection, oldest first. */
  unanswered(): ClientMessage[] {
    return Array.from(this.#table.values(), (entry) => entry.message);
  }

  /** Takes out those that cannot outlive their connection. */
  takeBound(): string[] {
    return this.#take((entry) => entry.bound);
  }

  /** Takes out those already sent: one of them may be why the server closed the connection. */
  takeSent(): string[] {
    return this.#take((entry) => entry.sent);
  }

  takeAll(): string[] {
    return this.#take(() => true);
  }

  /** A connection is gone: nothing counts as sent any more. */
  forgetSent(): void {
    for (const entry of this.#table.values()) entry.sent = false;
  }

  #take(which: (entry: Entry) => boolean): string[] {
    const ids = Array.from(this.#table).filter(([, entry]) => which(entry)).map(([id]) => id);
    for (const id of ids) this.#table.delete(id);
    return ids;
  }
}
