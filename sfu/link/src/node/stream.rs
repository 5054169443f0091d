//! One signaling process's stream.

use super::Shared;
use crate::{
    limits,
    protocol::{self, Ask, Hello, OLDEST, Tell, VERSION},
};
use axum::extract::ws::{Message, WebSocket};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use std::sync::{Arc, atomic::Ordering};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One stream, for the life of the process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct StreamId(pub(super) u64);

/// The way to a stream's writer.
#[derive(Clone)]
pub(super) struct Out {
    queue: mpsc::Sender<Tell>,
    cut: CancellationToken,
}

impl Out {
    /// Whether there was room.
    pub(super) fn send(&self, tell: Tell) -> bool {
        !matches!(self.queue.try_send(tell), Err(mpsc::error::TrySendError::Full(_)))
    }

    pub(super) fn cut(&self) {
        self.cut.cancel();
    }
}

/// Serves one stream to its end.
pub(super) async fn serve(shared: Arc<Shared>, mut socket: WebSocket, process: Uuid) {
    let greeted = timeout(limits::OPEN_WITHIN, greet(&shared, &mut socket)).await;
    if !matches!(greeted, Ok(Some(()))) {
        return;
    }
    let id = StreamId(shared.next_stream.fetch_add(1, Ordering::Relaxed));
    let (queue, told) = mpsc::channel(limits::STREAM_QUEUE);
    let out = Out { queue, cut: CancellationToken::new() };
    shared.streams.lock().insert(id, out.clone());
    shared.metrics.stream_opened();
    tracing::info!(process = %process, "A signaling process is connected");
    let (sink, stream) = socket.split();
    tokio::select! {
        () = read(&shared, id, &out, stream) => {}
        () = write(sink, told) => {}
        () = out.cut.cancelled() => {}
        () = shared.stopping.cancelled() => {}
    }
    shared.streams.lock().remove(&id);
    shared.claims.lock().left(id, Instant::now());
    shared.metrics.stream_closed();
    tracing::info!(process = %process, "A signaling process is gone; its sessions stay");
}

/// Both say who they are. `None` when they do not understand each other.
async fn greet(shared: &Shared, socket: &mut WebSocket) -> Option<()> {
    let Some(Ok(Message::Text(text))) = socket.next().await else { return None };
    let Ok(Ask::Hello { version, .. }) = protocol::parse(text.as_str()) else { return None };
    if version < OLDEST {
        return None;
    }
    let identity = &shared.identity;
    let hello = Tell::Hello(Hello {
        version: VERSION,
        capabilities: Vec::new(),
        node: identity.node.clone(),
        boot: identity.boot,
        region: identity.region.clone(),
        load: (shared.load)(),
    });
    let text = protocol::encode(&hello).ok()?;
    socket.send(Message::Text(text.into())).await.ok()
}

/// Takes questions until the stream ends, is silent for too long, or says what nobody understands.
async fn read(shared: &Arc<Shared>, id: StreamId, out: &Out, mut stream: SplitStream<WebSocket>) {
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            frame = timeout(limits::SILENCE, stream.next()) => {
                let Ok(Some(Ok(message))) = frame else { return };
                match message {
                    Message::Text(text) => match protocol::parse(text.as_str()) {
                        Ok(ask) => shared.asked(id, out, &mut calls, ask),
                        Err(_) => return,
                    },
                    Message::Ping(_) | Message::Pong(_) => {}
                    Message::Binary(_) | Message::Close(_) => return,
                }
            }
            Some(_) = calls.join_next(), if !calls.is_empty() => {}
        }
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut told: mpsc::Receiver<Tell>) {
    while let Some(tell) = told.recv().await {
        // Nothing a node says is near the limit but an answer, and that is about as long as its offer.
        let Ok(text) = protocol::encode(&tell) else { return };
        let sent = timeout(limits::WRITE_WITHIN, sink.send(Message::Text(text.into()))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_messages_wait_as_the_limit_and_one_more_finds_no_room() {
        let (queue, mut told) = mpsc::channel(limits::STREAM_QUEUE);
        let out = Out { queue, cut: CancellationToken::new() };
        for call in 0..limits::STREAM_QUEUE as u64 {
            assert!(out.send(Tell::Done { call }));
        }
        assert!(!out.send(Tell::Done { call: 0 }));
        assert!(told.try_recv().is_ok());
        assert!(out.send(Tell::Done { call: 0 }));
        drop(told);
        assert!(out.send(Tell::Done { call: 0 }), "nobody to tell is no reason to cut anybody");
    }
}
