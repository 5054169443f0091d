//! The bus: how parts of the platform tell each other that something happened.
//!
//! ```text
//! tell    ─▶ whoever listens now                      at most once, nothing kept
//! publish ─▶ lane ─▶ durable consumers, by name       at least once, until acknowledged
//! ```
//!
//! It is transport and never the record. What must not be lost stands in the event log; whoever relays
//! it watches [`Bus::incarnation`] and publishes again when the transport has lost what it held.
//! Consumers meet a message twice now and then, and handle it once by its id.
//!
//! Messages carry ids, never PHI in subjects or headers. Bodies are not logged.

use crate::lane::Lane;
use std::{future::Future, pin::Pin};
use tokio::sync::watch;

mod consumer;
mod listener;
pub mod memory;
mod message;
mod metrics;
pub mod nats;
mod subject;

pub use consumer::{Consumer, Delivery};
pub use listener::{Heard, Listener};
pub use message::{Headers, Message};
pub use subject::{ConsumerName, InvalidName, Pattern, Subject};

/// A future that the bus's methods return.
pub type BusFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BusError>> + Send + 'a>>;

/// Why the bus did not do it.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The transport does not answer in time, is full or is gone. A message may or may not be published:
    /// publish it again with the same id.
    #[error("the bus is not available now")]
    Unavailable,
    /// Larger than the limits allow; nothing was published.
    #[error("the message is too large")]
    TooLarge,
    /// This process has as many listeners or consumers as it may.
    #[error("there are too many listeners or consumers")]
    TooMany,
    /// The server keeps a stream or consumer of this name that is set up differently and does not let it
    /// be changed. An operator has to look.
    #[error("the bus is set up differently: {what}")]
    Mismatch {
        /// Which stream or consumer, and in what.
        what: String,
    },
}

/// Which life of a lane's store this is. Another value means that what was published before may be
/// gone. Opaque; it may be kept and compared after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Incarnation(pub u128);

/// The bus. Adapters: in-process (`bus::memory`), NATS JetStream (`bus::nats`). Every operation ends
/// within `limits::BUS_TIME_LIMIT`, except waiting for a message.
pub trait Bus: Send + Sync + 'static {
    /// Tells whoever listens now, on any process. Nothing is kept, nothing is repeated.
    fn tell(&self, message: Message) -> BusFuture<'_, ()>;

    /// Listens to what is told from now on.
    fn listen(&self, pattern: Pattern) -> BusFuture<'_, Listener>;

    /// Puts a message into a lane. `Ok` when the transport has it. A message with an id of the last
    /// `limits::DEDUPE_WINDOW` is not put in again. When the deadline of the task that asks passes before its turn, it is
    /// not put in and the answer is `Unavailable`.
    fn publish(&self, lane: Lane, message: Message) -> BusFuture<'_, ()>;

    /// Joins a durable consumer, or makes it: it begins with what the lane still holds and keeps its
    /// place while nobody consumes. Consumers of one name, on any process, share its messages.
    fn consume(&self, name: ConsumerName, lane: Lane, pattern: Pattern) -> BusFuture<'_, Consumer>;

    /// Which life of the lane's store this is; `None` until the transport has been reached. A relay
    /// that sees another value than the one it published into publishes again what may be missing.
    fn incarnation(&self, lane: Lane) -> watch::Receiver<Option<Incarnation>>;

    /// How many messages of a lane were given up after `limits::MAX_DELIVERIES` and are kept aside.
    fn parked(&self, lane: Lane) -> BusFuture<'_, u64>;
}
