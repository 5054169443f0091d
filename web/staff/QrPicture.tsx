import { useMemo } from "react";
import { encode } from "uqr";

/** Modules of nothing around it (ISO/IEC 18004, 9.1). */
const QUIET_ZONE = 4;

/** A QR code, dark on light whatever the theme: not every app reads the reverse. One path, no style of its own. */
export function QrPicture({ text, label }: { text: string; label: string }) {
  const { size, path } = useMemo(() => drawn(text), [text]);
  return (
    <svg className="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shapeRendering="crispEdges" data-testid="qr">
      <rect className="qr__paper" width={size} height={size} />
      <path className="qr__ink" d={path} />
    </svg>
  );
}

function drawn(text: string): { size: number; path: string } {
  const { data, size } = encode(text, { ecc: "M", border: QUIET_ZONE });
  const runs: string[] = [];
  for (const [y, row] of data.entries()) {
    for (let x = 0; x < size; x += 1) {
      if (row[x] !== true) continue;
      const from = x;
      while (row[x + 1] === true) x += 1;
      runs.push(`M${from} ${y}h${x - from + 1}v1h-${x - from + 1}z`);
    }
  }
  return { size, path: runs.join("") };
}
