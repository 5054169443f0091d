import "./Meter.css";

const BARS = 14;

/** How loud the microphone hears: a row of bars, and a number for those who cannot see it. */
export function Meter({ level, label }: { level: number; label: string }) {
  const lit = Math.round(Math.min(1, Math.max(0, level)) * BARS);
  return (
    <div
      className="meter"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round((lit / BARS) * 100)}
    >
      {Array.from({ length: BARS }, (_, bar) => (
        <span key={bar} className={bar < lit ? "meter__bar meter__bar--lit" : "meter__bar"} />
      ))}
    </div>
  );
}
