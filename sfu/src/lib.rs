//! The media plane: forwards sound and pictures between the people of a room.
//!
//! What this is: sockets, one pinned thread per shard, and the driving of str0m. Every decision that
//! needs no socket is in [`sfu_core`].
//! What it deliberately is not: a place that knows visits, queues or people's names. It needs no
//! database and no signaling to keep running calls running.
//!
//! Reading order: [`config`], [`limits`], [`service`] (the control side), [`http`] (WHIP and WHEP).

#![forbid(unsafe_code)]

pub mod config;
pub mod http;
pub mod limits;
pub mod service;

pub use config::{Advertise, Config};
pub use service::{Error, Handle, Service};
