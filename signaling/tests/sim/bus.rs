//! The bus as one machine reaches it: it loses, doubles and delays what it is given, and forgets everything now and then.

use crate::{sim::Sim, world::clock};
use parking_lot::Mutex;
use platform::{
    bus::{
        Bus, BusError, BusFuture, Consumer, ConsumerName, Incarnation, Listener, Message, Pattern,
        memory::{Config, MemoryBus},
    },
    clock::Clock,
    lane::Lane,
};
use prometheus::Registry;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::sleep};

/// Deliveries that nobody settles come again after it. Shorter than in production, so that they do.
const ACK_WAIT: Duration = Duration::from_secs(3);

/// The transport, which all machines share.
pub(crate) struct Transport {
    sim: Arc<Sim>,
    clock: Arc<dyn Clock>,
    bus: Mutex<Arc<MemoryBus>>,
    /// One for each who looks: those of one channel are woken in no order that a seed decides.
    incarnations: Mutex<Vec<watch::Sender<Option<Incarnation>>>>,
}

impl Transport {
    pub(crate) fn new(sim: &Arc<Sim>) -> Arc<Self> {
        let clock = clock(sim);
        let bus = empty(&clock);
        Arc::new(Self { sim: Arc::clone(sim), clock, bus: Mutex::new(bus), incarnations: Mutex::default() })
    }

    /// It has lost everything that it held.
    pub(crate) fn wipe(&self) {
        let bus = empty(&self.clock);
        let incarnation = *bus.incarnation(Lane::Critical).borrow();
        *self.bus.lock() = bus;
        let mut looking = self.incarnations.lock();
        looking.retain(|one| one.receiver_count() > 0);
        for one in &*looking {
            one.send_replace(incarnation);
        }
    }

    fn bus(&self) -> Arc<MemoryBus> {
        Arc::clone(&self.bus.lock())
    }
}

fn empty(clock: &Arc<dyn Clock>) -> Arc<MemoryBus> {
    let config = Config { ack_wait: ACK_WAIT, ..Config::default() };
    Arc::new(MemoryBus::new(config, Arc::clone(clock), &Registry::new()).unwrap())
}

/// One machine's way to it.
pub(crate) struct Line {
    pub(crate) transport: Arc<Transport>,
    /// Nothing gets through.
    pub(crate) away: Arc<AtomicBool>,
    /// Much goes wrong.
    pub(crate) noisy: Arc<AtomicBool>,
}

/// What becomes of a message.
enum Fate {
    Refused,
    Lost,
    Late(Duration),
    Twice,
    Once,
}

impl Line {
    fn fate(&self) -> Fate {
        if self.away.load(Ordering::SeqCst) {
            self.transport.sim.count("bus-refused");
            return Fate::Refused;
        }
        let share = if self.noisy.load(Ordering::SeqCst) { 12 } else { 1 };
        let fate = self.transport.sim.draw(|random| match random.below(100) {
            n if n < share => Fate::Lost,
            n if n < 2 * share => Fate::Late(random.millis(10, 1_500)),
            n if n < 3 * share => Fate::Twice,
            _ => Fate::Once,
        });
        match fate {
            Fate::Lost => self.transport.sim.count("bus-lost"),
            Fate::Late(_) => self.transport.sim.count("bus-reordered"),
            Fate::Twice => self.transport.sim.count("bus-doubled"),
            Fate::Refused | Fate::Once => {}
        }
        fate
    }
}

impl Bus for Line {
    fn tell(&self, message: Message) -> BusFuture<'_, ()> {
        Box::pin(async move {
            match self.fate() {
                Fate::Refused => Err(BusError::Unavailable),
                Fate::Lost => Ok(()),
                Fate::Twice => {
                    self.transport.bus().tell(message.clone()).await?;
                    self.transport.bus().tell(message).await
                }
                Fate::Late(_) | Fate::Once => self.transport.bus().tell(message).await,
            }
        })
    }

    fn listen(&self, pattern: Pattern) -> BusFuture<'_, Listener> {
        Box::pin(async move { self.transport.bus().listen(pattern).await })
    }

    fn publish(&self, lane: Lane, message: Message) -> BusFuture<'_, ()> {
        Box::pin(async move {
            match self.fate() {
                Fate::Refused => Err(BusError::Unavailable),
                Fate::Lost => Ok(()),
                Fate::Late(by) => {
                    let transport = Arc::clone(&self.transport);
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "it outlives the process, as what is on its way does"
                    )]
                    tokio::spawn(async move {
                        sleep(by).await;
                        // If it is full or gone by then, it is one more that was lost.
                        let _ = transport.bus().publish(lane, message).await;
                    });
                    Ok(())
                }
                Fate::Twice => {
                    // Under another id, or the bus itself would notice.
                    let again = Message { id: platform::ids::fresh(), ..message.clone() };
                    self.transport.bus().publish(lane, message).await?;
                    self.transport.bus().publish(lane, again).await
                }
                Fate::Once => self.transport.bus().publish(lane, message).await,
            }
        })
    }

    fn consume(&self, name: ConsumerName, lane: Lane, pattern: Pattern) -> BusFuture<'_, Consumer> {
        Box::pin(async move { self.transport.bus().consume(name, lane, pattern).await })
    }

    fn incarnation(&self, lane: Lane) -> watch::Receiver<Option<Incarnation>> {
        let now = *self.transport.bus().incarnation(lane).borrow();
        let (sender, receiver) = watch::channel(now);
        self.transport.incarnations.lock().push(sender);
        receiver
    }

    fn parked(&self, lane: Lane) -> BusFuture<'_, u64> {
        Box::pin(async move { self.transport.bus().parked(lane).await })
    }
}
