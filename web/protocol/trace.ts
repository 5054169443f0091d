/**
 * A trace of the page's own (W3C Trace Context, section 3.2): what the server does for it can be followed from one
 * process to the next. Random, and says nothing of anybody.
 */
export function traceparent(newId: () => string): string {
  const digits = () => newId().replaceAll("-", "");
  // Of the second id the end: its beginning may be a time.
  return `00-${digits()}-${digits().slice(16)}-01`;
}
