import { useEffect, useRef, useState } from "react";
import type { SessionState } from "../../call/session";
import { useAnnounce } from "../Live/Live";

type Messages = SessionState["chat"][string];

/** How many messages came while the chat was closed; each arrival is said once, politely. */
export function useUnread(messages: Messages, me: string | null, open: boolean, arrived: (message: Messages[number]) => string): number {
  const announce = useAnnounce();
  const others = messages.filter((message) => message.from !== me && message.pending !== true);
  const count = others.length;
  const newest = others.at(-1);
  const [read, setRead] = useState(count);
  const known = useRef(count);

  useEffect(() => {
    if (open) setRead(count);
    if (count > known.current && !open && newest !== undefined) announce(arrived(newest));
    known.current = count;
  }, [announce, arrived, count, newest, open]);

  return open ? 0 : Math.max(0, count - read);
}
