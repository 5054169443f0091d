import { useEffect, useRef, useState } from "react";

/** Alt and a letter: what the key does now. A missing one does nothing here. */
export type Bindings = Partial<Record<"KeyM" | "KeyV" | "KeyH" | "KeyA" | "KeyL", () => void>>;

const STORED = "telehealth.keys";

/** Whether the keys are in use, remembered on this device (WCAG 2.1.4: they can be turned off). */
export function useKeysEnabled(): [boolean, (on: boolean) => void] {
  const [on, setOn] = useState(() => {
    try {
      return localStorage.getItem(STORED) !== "off";
    } catch {
      return true;
    }
  });
  return [
    on,
    (next) => {
      setOn(next);
      try {
        localStorage.setItem(STORED, next ? "on" : "off");
      } catch {
        // Not remembered; it holds for this page.
      }
    },
  ];
}

/** Listens for Alt+letter by the key's place, so that layouts and "µ" on a Mac do not matter. */
export function useKeys(enabled: boolean, bindings: Bindings, onHelp: () => void): void {
  const newest = useRef({ bindings, onHelp });
  newest.current = { bindings, onHelp };
  useEffect(() => {
    if (!enabled) return undefined;
    const press = (event: KeyboardEvent) => {
      // While a dialog is open, its choices are the only ones.
      if (event.repeat || document.querySelector("dialog[open]") !== null) return;
      if (event.altKey && !event.ctrlKey && !event.metaKey && !event.getModifierState("AltGraph")) {
        const act = newest.current.bindings[event.code as keyof Bindings];
        if (act !== undefined) {
          event.preventDefault();
          act();
        }
        return;
      }
      const writing = event.target instanceof HTMLElement && event.target.matches("input, textarea, select");
      if (event.key === "?" && !writing) {
        event.preventDefault();
        newest.current.onHelp();
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [enabled]);
}
