/** Firewall rules of a network namespace; they go with it. */
import { execFileSync } from "node:child_process";

export const NFT = "nft";

/** Drops every UDP packet, as some clinics' networks do: here, or where this program runs. Returns the way to lift it. */
export function blockUdp(program = NFT) {
  const nft = (rules) => execFileSync(program, ["-f", "-"], { input: rules });
  nft(`table inet e2e {
    chain out { type filter hook output priority 0; meta l4proto udp drop; }
    chain in { type filter hook input priority 0; meta l4proto udp drop; }
  }`);
  return () => nft("delete table inet e2e");
}
