/** What the end of a connection asks of us. One table, no other place looks at close codes. */
import { CloseCode } from "./generated";

export type Verdict =
  /** Done; nothing more to do. */
  | "finished"
  /** Another tab or device is the current one. Coming back by itself would make the two fight. */
  | "replaced"
  /** The token is worth nothing: exchange the link again if there is one. */
  | "unauthorized"
  /** The link leads nowhere for us. */
  | "refused"
  /** One of our messages was not to the server's liking: come back without it. */
  | "rejected"
  /** Come back after a pause: restart, overload, lost network, a defect over there. */
  | "retry";

export function judge(code: number): Verdict {
  switch (code) {
    case CloseCode.Normal:
      return "finished";
    case CloseCode.Replaced:
      return "replaced";
    case CloseCode.NotAuthorized:
      return "unauthorized";
    case CloseCode.NotAllowed:
    case CloseCode.NotFound:
      return "refused";
    case CloseCode.Policy:
    case CloseCode.TooBig:
      return "rejected";
    default:
      return "retry";
  }
}
