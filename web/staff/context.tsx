/** The session in React, and where its pages lead. */
import { createContext, useCallback, useContext, useEffect, useState, useSyncExternalStore } from "react";
import type { StaffSession, StaffState } from "../identity";

export interface Place {
  session: StaffSession;
  /** Leaves for another page of this origin. */
  go: (path: string) => void;
  /** Asks the server what the clinic is called. */
  clinic?: () => Promise<string | null>;
}

const Context = createContext<Place | null>(null);
export const StaffProvider = Context;

/** The session this page was mounted with, and how to leave it. */
export function useStaff(): Place {
  const place = useContext(Context);
  if (place === null) throw new Error("no session above this component");
  return place;
}

/** The newest snapshot; renders again with each. */
export function useStaffState(): StaffState {
  const { session } = useStaff();
  return useSyncExternalStore(
    useCallback((listener) => session.subscribe(listener), [session]),
    () => session.state,
  );
}

const PASSKEY = "telehealth.passkey";

/** Whether somebody has signed in with a passkey in this browser: then it is offered first. */
export function passkeyWasUsed(): boolean {
  try {
    return localStorage.getItem(PASSKEY) !== null;
  } catch {
    return false;
  }
}

export function rememberPasskey(): void {
  try {
    localStorage.setItem(PASSKEY, "1");
  } catch {
    // Storage is switched off: it is offered second.
  }
}

const STORED = "telehealth.clinic";

/** The clinic's name as this browser last heard it; before the first time, the address that people typed. */
export function rememberedClinic(): string {
  try {
    return localStorage.getItem(STORED) ?? location.hostname;
  } catch {
    return location.hostname;
  }
}

/** The same, and the clinic's own name as soon as the server says it to a browser that never heard it. */
export function useClinicName(): [string, (name: string) => void] {
  const { clinic: asked } = useStaff();
  const [name, setName] = useState(rememberedClinic);
  const known = name !== location.hostname;
  useEffect(() => {
    let left = false;
    if (!known)
      void asked?.().then((heard) => {
        if (!left && heard !== null) setName(heard);
      });
    return () => {
      left = true;
    };
  }, [asked, known]);
  return [name, setName];
}

export function rememberClinic(name: string): void {
  try {
    localStorage.setItem(STORED, name);
  } catch {
    // Storage is switched off: the next sign-in shows the address instead.
  }
}

/** What somebody may call a passkey of this device. It can be anything. */
export function deviceName(): string {
  const known = /iPhone|iPad|Android|Windows|Macintosh|CrOS|Linux/.exec(navigator.userAgent)?.[0] ?? "";
  return { Macintosh: "Mac", CrOS: "Chromebook", "": "1" }[known] ?? known;
}
