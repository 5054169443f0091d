//! The network: connections that are slow, stall, break, and cannot be made.

use crate::sim::Sim;
use bytes::{Buf as _, Bytes};
use parking_lot::Mutex;
use signaling::network::{Connecting, Network, Stream};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::mpsc,
    time::{Instant, Sleep, sleep},
};

/// Bytes on their way in one direction. Whoever writes more waits.
const IN_FLIGHT: usize = 256 * 1024;
/// Connections that wait to be accepted. One more is refused.
const BACKLOG: usize = 256;

/// Who is at one end. People are one place: what happens to their connections happens to each alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Place {
    People,
    Machine(usize),
}

pub(crate) struct Net {
    sim: Arc<Sim>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: BTreeMap<String, (usize, mpsc::Sender<Wire>)>,
    /// From where to where nothing arrives.
    cut: BTreeSet<(Place, Place)>,
    wires: Vec<Ends>,
}

/// Both directions of a connection.
struct Ends {
    from: Place,
    to: Place,
    there: Weak<Mutex<Pipe>>,
    back: Weak<Mutex<Pipe>>,
}

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<(Instant, Bytes)>,
    size: usize,
    closed: bool,
    reset: bool,
    stalled: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn wake(&mut self) {
        for waker in self.reader.take().into_iter().chain(self.writer.take()) {
            waker.wake();
        }
    }

    fn reset(&mut self) {
        self.reset = true;
        self.wake();
    }
}

impl Net {
    pub(crate) fn new(sim: Arc<Sim>) -> Arc<Self> {
        Arc::new(Self { sim, state: Mutex::default() })
    }

    /// Takes connections to an address from now on.
    pub(crate) fn listen(&self, address: &str, machine: usize) -> Listener {
        let (sender, incoming) = mpsc::channel(BACKLOG);
        self.state.lock().listeners.insert(address.to_owned(), (machine, sender));
        Listener { address: address.to_owned(), incoming }
    }

    pub(crate) async fn connect(&self, from: Place, address: &str) -> io::Result<Wire> {
        sleep(self.sim.millis(0, 4)).await;
        let found = self.state.lock().listeners.get(address).cloned();
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let (machine, listener) = found.ok_or_else(refused)?;
        let to = Place::Machine(machine);
        if self.is_cut(from, to) || self.is_cut(to, from) {
            std::future::pending::<()>().await;
        }
        let (there, back) = (Arc::<Mutex<Pipe>>::default(), Arc::<Mutex<Pipe>>::default());
        let mut state = self.state.lock();
        state.wires.retain(|ends| ends.there.strong_count() > 0);
        let (weak_there, weak_back) = (Arc::downgrade(&there), Arc::downgrade(&back));
        state.wires.push(Ends { from, to, there: weak_there, back: weak_back });
        drop(state);
        let ours = Wire::new(&self.sim, &back, &there);
        listener.try_send(Wire::new(&self.sim, &there, &back)).map_err(|_| refused())?;
        Ok(ours)
    }

    fn is_cut(&self, from: Place, to: Place) -> bool {
        self.state.lock().cut.contains(&(from, to))
    }

    /// From now on nothing arrives from one place at another, until it is [healed](Self::heal).
    pub(crate) fn cut(&self, from: Place, to: Place) {
        let mut state = self.state.lock();
        state.cut.insert((from, to));
        for ends in &state.wires {
            for (wire_from, wire_to, pipe) in
                [(ends.from, ends.to, &ends.there), (ends.to, ends.from, &ends.back)]
            {
                if (wire_from, wire_to) == (from, to)
                    && let Some(pipe) = pipe.upgrade()
                {
                    pipe.lock().stalled = true;
                }
            }
        }
    }

    /// Everything arrives again. What stalled goes on, or was given up meanwhile.
    pub(crate) fn heal(&self, from: Place, to: Place) {
        let mut state = self.state.lock();
        if !state.cut.remove(&(from, to)) {
            return;
        }
        for ends in &state.wires {
            if (ends.from, ends.to) != (from, to) && (ends.to, ends.from) != (from, to) {
                continue;
            }
            let pipes = [ends.there.upgrade(), ends.back.upgrade()];
            let stalled = pipes.iter().flatten().any(|pipe| pipe.lock().stalled);
            let gone = stalled && self.sim.chance(50);
            for pipe in pipes.into_iter().flatten() {
                let mut pipe = pipe.lock();
                pipe.stalled = false;
                if gone { pipe.reset() } else { pipe.wake() }
            }
        }
    }

    pub(crate) fn heal_all(&self) {
        let cut: Vec<_> = self.state.lock().cut.iter().copied().collect();
        cut.into_iter().for_each(|(from, to)| self.heal(from, to));
    }

    /// A machine is off: its connections break, and nobody gets a new one.
    pub(crate) fn silence(&self, machine: usize) {
        let mut state = self.state.lock();
        state.listeners.retain(|_, (here, _)| *here != machine);
        for ends in &state.wires {
            if [ends.from, ends.to].contains(&Place::Machine(machine)) {
                [&ends.there, &ends.back]
                    .into_iter()
                    .filter_map(Weak::upgrade)
                    .for_each(|pipe| pipe.lock().reset());
            }
        }
    }

    /// Nobody gets a new connection to a machine, and those that there are go on.
    pub(crate) fn refuse(&self, machine: usize) {
        self.state.lock().listeners.retain(|_, (here, _)| *here != machine);
    }

    /// One of the connections of people breaks, at once or by going silent.
    pub(crate) fn break_one(&self) -> bool {
        let state = self.state.lock();
        let theirs: Vec<_> = state
            .wires
            .iter()
            .filter(|ends| ends.from == Place::People && ends.there.strong_count() > 0)
            .collect();
        if theirs.is_empty() {
            return false;
        }
        let ends = theirs[self.sim.draw(|random| random.below(theirs.len() as u64)) as usize];
        let silently = self.sim.chance(40);
        for pipe in [&ends.there, &ends.back].into_iter().filter_map(Weak::upgrade) {
            if silently { pipe.lock().stalled = true } else { pipe.lock().reset() }
        }
        true
    }
}

/// One machine's way to others.
pub(crate) struct Way {
    pub(crate) net: Arc<Net>,
    pub(crate) from: Place,
}

impl Network for Way {
    fn connect<'a>(&'a self, address: &'a str) -> Connecting<'a> {
        Box::pin(async move { Ok(Box::new(self.net.connect(self.from, address).await?) as Box<dyn Stream>) })
    }
}

pub(crate) struct Listener {
    address: String,
    incoming: mpsc::Receiver<Wire>,
}

impl axum::serve::Listener for Listener {
    type Io = Wire;
    type Addr = String;

    async fn accept(&mut self) -> (Wire, String) {
        match self.incoming.recv().await {
            Some(wire) => (wire, self.address.clone()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<String> {
        Ok(self.address.clone())
    }
}

/// One end of a connection.
pub(crate) struct Wire {
    sim: Arc<Sim>,
    read: Arc<Mutex<Pipe>>,
    write: Arc<Mutex<Pipe>>,
    arrives: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    fn new(sim: &Arc<Sim>, read: &Arc<Mutex<Pipe>>, write: &Arc<Mutex<Pipe>>) -> Self {
        Self { sim: Arc::clone(sim), read: Arc::clone(read), write: Arc::clone(write), arrives: None }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Arc::clone(&self.read);
        let mut pipe = read.lock();
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        pipe.reader = Some(cx.waker().clone());
        if pipe.stalled {
            return Poll::Pending;
        }
        let Some((at, bytes)) = pipe.bytes.front_mut() else {
            return if pipe.closed { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        if *at > Instant::now() {
            let mut arrives = Box::pin(tokio::time::sleep_until(*at));
            let waits = arrives.as_mut().poll(cx).is_pending();
            self.arrives = Some(arrives);
            if waits {
                return Poll::Pending;
            }
        }
        let count = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..count]);
        bytes.advance(count);
        let done = bytes.is_empty();
        pipe.size -= count;
        if done {
            pipe.bytes.pop_front();
        }
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.write.lock();
        if pipe.reset || pipe.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if pipe.size >= IN_FLIGHT {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let delay = self
            .sim
            .draw(|random| if random.chance(2) { random.millis(20, 400) } else { random.millis(0, 3) });
        let last = pipe.bytes.back().map(|(at, _)| *at);
        let at = (Instant::now() + delay).max(last.unwrap_or_else(Instant::now));
        pipe.bytes.push_back((at, Bytes::copy_from_slice(buf)));
        pipe.size += buf.len();
        if let Some(reader) = pipe.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.write.lock();
        pipe.closed = true;
        pipe.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let mut written = self.write.lock();
        written.closed = true;
        written.wake();
        drop(written);
        // Who writes to an end that is gone hears of it.
        self.read.lock().reset();
    }
}
