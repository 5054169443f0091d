import { useState } from "react";
import type { Modality } from "../call/session";

const STORED = "telehealth.modality";

/** How the patient chose to talk, kept over a reload of this tab. */
export function useModality(): [Modality, (modality: Modality) => void] {
  const [modality, setModality] = useState<Modality>(() => {
    try {
      return sessionStorage.getItem(STORED) === "sound" ? "sound" : "video";
    } catch {
      return "video";
    }
  });
  return [
    modality,
    (chosen) => {
      setModality(chosen);
      try {
        sessionStorage.setItem(STORED, chosen);
      } catch {
        // Asked again after a reload; nothing else is lost.
      }
    },
  ];
}
