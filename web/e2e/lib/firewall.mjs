/** Firewall rules of this network namespace; they go with it. */
import { execFileSync } from "node:child_process";

const nft = (rules) => execFileSync("nft", ["-f", "-"], { input: rules });

/** Drops every UDP packet, as some clinics' networks do. Returns the way to lift it. */
export function blockUdp() {
  nft(`table inet e2e {
    chain out { type filter hook output priority 0; meta l4proto udp drop; }
  }`);
  return () => nft("delete table inet e2e");
}
