/** Passkeys as browsers have them (WebAuthn): bytes in and out as base64url, what goes wrong as a `Problem`. */
import { CANCELLED, Problem } from "./problem";

/** What the server asks with: options whose bytes are base64url. */
export interface PasskeyOptions {
  challenge: string;
  [more: string]: unknown;
}

/** A passkey that was shown. */
export interface ShownPasskey {
  id: string;
  clientData: string;
  authenticatorData: string;
  signature: string;
  userHandle?: string;
}

/** A passkey that was made. */
export interface MadePasskey {
  clientData: string;
  authenticatorData: string;
}

export interface Passkeys {
  /** Whether this browser has them at this address. */
  usable: () => boolean;
  /** Whether it offers them among the names it remembers for a field. */
  inFields: () => Promise<boolean>;
  show: (options: PasskeyOptions, how: { inField: boolean; signal: AbortSignal }) => Promise<ShownPasskey>;
  make: (options: PasskeyOptions) => Promise<MadePasskey>;
}

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

export function textOf(bytes: ArrayBuffer): string {
  const binary = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

interface Described {
  type: "public-key";
  id: string;
}

const described = (listed: unknown) => ((listed ?? []) as Described[]).map((one) => ({ ...one, id: bytesOf(one.id) }));

/** Why a browser did not. Names are those of the standard; messages are the browser's own and say nothing to people. */
function refusal(error: unknown): Problem {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "AbortError") return new Problem(CANCELLED);
  if (name === "InvalidStateError") return new Problem("passkey-known");
  if (name === "NotAllowedError") return new Problem("passkey-not-shown");
  return new Problem("no-passkeys");
}

export const browserPasskeys: Passkeys = {
  // They are bound to a name; at a number the browser would refuse.
  usable: () => typeof PublicKeyCredential !== "undefined" && isSecureContext && !/^[\d.]+$|^\[/.test(location.hostname),
  async inFields() {
    if (!this.usable() || typeof PublicKeyCredential.isConditionalMediationAvailable !== "function") return false;
    return PublicKeyCredential.isConditionalMediationAvailable().catch(() => false);
  },
  async show(options, { inField, signal }) {
    const publicKey = { ...options, challenge: bytesOf(options.challenge), allowCredentials: described(options["allowCredentials"]) };
    let credential: PublicKeyCredential;
    try {
      const asked: CredentialRequestOptions = { publicKey: publicKey as PublicKeyCredentialRequestOptions, signal };
      if (inField) asked.mediation = "conditional";
      credential = (await navigator.credentials.get(asked)) as PublicKeyCredential;
    } catch (error) {
      throw refusal(error);
    }
    const said = credential.response as AuthenticatorAssertionResponse;
    return {
      id: credential.id,
      clientData: textOf(said.clientDataJSON),
      authenticatorData: textOf(said.authenticatorData),
      signature: textOf(said.signature),
      ...(said.userHandle === null ? {} : { userHandle: textOf(said.userHandle) }),
    };
  },
  async make(options) {
    const user = options["user"] as { id: string };
    const publicKey = {
      ...options,
      challenge: bytesOf(options.challenge),
      user: { ...user, id: bytesOf(user.id) },
      excludeCredentials: described(options["excludeCredentials"]),
    };
    let credential: PublicKeyCredential;
    try {
      credential = (await navigator.credentials.create({ publicKey: publicKey as unknown as PublicKeyCredentialCreationOptions })) as PublicKeyCredential;
    } catch (error) {
      throw refusal(error);
    }
    const said = credential.response as AuthenticatorAttestationResponse;
    // Old browsers make passkeys and do not say this in a form that can be read without their whole format.
    if (typeof said.getAuthenticatorData !== "function") throw new Problem("no-passkeys");
    return { clientData: textOf(said.clientDataJSON), authenticatorData: textOf(said.getAuthenticatorData()) };
  },
};
