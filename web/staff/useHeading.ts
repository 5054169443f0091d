import { type RefObject, useEffect, useRef } from "react";

/** A heading that takes the focus when `step` changes, so that it is read and Tab goes on below it. */
export function useHeading(step: unknown): RefObject<HTMLHeadingElement | null> {
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(step);
  useEffect(() => {
    // Not with the page itself: there, reading begins at the top.
    if (first.current === step) return;
    first.current = step;
    heading.current?.focus();
  }, [step]);
  return heading;
}

/** The same for a heading whose part of the page comes after a person did something. */
export function useArrival(): RefObject<HTMLHeadingElement | null> {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return heading;
}
