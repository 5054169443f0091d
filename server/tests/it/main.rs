//! The real binary, started as a process on free ports, against real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "tests start processes and measure them")]

mod api;
mod attack;
mod audit;
mod backup;
mod browser;
mod canary;
mod configuration;
mod cross_site;
mod device;
mod device_fleet;
mod encryption;
mod graphql;
mod guards;
mod http;
mod journal;
mod lan;
mod life;
mod links;
mod matrix;
mod process;
mod schemathesis;
mod status;
mod tls;
mod token_keys;
mod trace;
mod trace_fleet;
mod twins;
mod units;
mod visit;
mod waiting_rooms;
mod webhooks;
