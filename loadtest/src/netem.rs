//! `loadtest netem`: a weak network for any program, without kernel modules.
//!
//! ```text
//!  loadtest netem                    waits; passes signals on
//!    └─ router (PID 1 of a PID namespace of its own)
//!         ├─ 10.78.0.1  TUN ── server's network namespace ── --server COMMAND
//!         ├─ 10.78.1.2  TUN ── first client's network namespace ── COMMAND
//!         └─ 10.78.2.2  TUN ── second client's …
//! ```
//!
//! What this is: a router in user space between TUN devices, each the only way out of a network namespace of its
//! own, that drops, delays, reorders, limits, cuts and renames by a script and a seed. What it deliberately is
//! not: a simulation. Real programs talk through real kernels; only the wire in between is ours.
//!
//! Invariants. Nothing passes from or to an address outside 10.78.0.0/16. Nothing has a name in the machine's
//! own network: namespaces are held by descriptors and processes alone. Whoever is killed, however, everything
//! goes: the router dies with whoever started it (`PR_SET_PDEATHSIG`), and every other process dies with the
//! router, which is init to them.
//!
//! Reading order: [`command`], then `link` (what becomes of a packet), `script` (when), `router` (whose packet),
//! all three without IO; then `namespace`, `stage` (the processes), `control` and `wire` (the loop).

pub mod command;
mod control;
mod held;
mod link;
mod namespace;
mod packet;
pub mod path;
mod profiles;
mod random;
mod report;
mod router;
pub(crate) mod script;
mod stage;
mod sys;
mod units;
mod wire;
mod words;
