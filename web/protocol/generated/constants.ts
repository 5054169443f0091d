// Generated from signaling/protocol. Do not edit.

/** The WebSocket subprotocol of this version. */
export const SUBPROTOCOL = "telehealth.v1";

/** WebSocket close codes the server sends. */
export const CloseCode = {
  Normal: 1000,
  GoingAway: 1001,
  Policy: 1008,
  TooBig: 1009,
  Internal: 1011,
  Restart: 1012,
  TryAgainLater: 1013,
  NotAuthorized: 4401,
  NotAllowed: 4403,
  NotFound: 4404,
  Replaced: 4409,
  TooManyRequests: 4429,
} as const;

/** Bounds of what a client sends. */
export const Limits = {
  messageBytes: 65536,
  offerBytes: 49152,
  chatChars: 2000,
  lineChars: 200,
} as const;
