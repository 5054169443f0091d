import { describe, expect, it } from "vitest";
import { bytesOf, textOf } from "./passkeys";

describe("bytes as text", () => {
  it("are base64url without padding, there and back", () => {
    expect(textOf(new Uint8Array([251, 255, 254]).buffer)).toBe("-__-");
    for (let length = 0; length < 70; length += 1) {
      const bytes = Uint8Array.from({ length }, (_, at) => (at * 37) % 256);
      const text = textOf(bytes.buffer);
      expect(text).toMatch(/^[\w-]*$/);
      expect([...bytesOf(text)]).toEqual([...bytes]);
    }
  });
});
