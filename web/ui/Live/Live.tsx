import { createContext, type ReactNode, useCallback, useContext, useRef, useState } from "react";

type Manner = "polite" | "assertive";
type Announce = (text: string, manner?: Manner) => void;

const Context = createContext<Announce>(() => undefined);

/** Two live regions that are in the page from the start, so that screen readers know them. */
export function LiveRegion({ children }: { children: ReactNode }) {
  const [polite, setPolite] = useState("");
  const [assertive, setAssertive] = useState("");
  const turn = useRef(false);
  const announce = useCallback<Announce>((text, manner = "polite") => {
    // The same words twice would not be read again; an invisible difference makes them news.
    turn.current = !turn.current;
    const said = turn.current ? text : `${text}\u00a0`;
    if (manner === "assertive") setAssertive(said);
    else setPolite(said);
  }, []);
  return (
    <Context value={announce}>
      {children}
      <div className="visually-hidden" role="status" data-testid="live-polite">
        {polite}
      </div>
      <div className="visually-hidden" role="alert" data-testid="live-assertive">
        {assertive}
      </div>
    </Context>
  );
}

/** Says something to those who do not see the page. Assertive only when it cannot wait. */
export function useAnnounce(): Announce {
  return useContext(Context);
}
