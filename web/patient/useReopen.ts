import { useEffect, useState } from "react";
import type { Modality } from "../call/session";
import { useSession, useSessionState } from "../ui/session";

/**
 * After a reload the devices are closed. Where the browser remembers the permission they open again by
 * themselves; where it would ask, a person is asked first. True while a click is needed.
 */
export function useReopen(modality: Modality): boolean {
  const session = useSession();
  const { status } = useSessionState().local;
  const [mustAsk, setMustAsk] = useState(false);

  useEffect(() => {
    if (status !== "idle") {
      setMustAsk(false);
      return undefined;
    }
    let current = true;
    void remembered(modality).then((granted) => {
      if (!current) return;
      if (granted) void session.devices.open(modality).catch(() => undefined);
      else setMustAsk(true);
    });
    return () => {
      current = false;
    };
  }, [modality, session, status]);

  return mustAsk;
}

async function remembered(modality: Modality): Promise<boolean> {
  const wanted = modality === "video" ? ["microphone", "camera"] : ["microphone"];
  try {
    const states = await Promise.all(
      wanted.map((name) => navigator.permissions.query({ name: name as PermissionName })),
    );
    return states.every((state) => state.state === "granted");
  } catch {
    return false; // Not every browser tells.
  }
}
