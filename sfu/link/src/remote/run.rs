//! Keeps a stream up, and moves messages between it and the mirror.

use super::{
    Shared,
    dial::{self, Socket},
};
use crate::{
    limits,
    protocol::{self, Ask},
};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use std::time::Duration;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

/// Opens the stream, serves it, and begins again, until `shutdown`.
pub(super) async fn run(shared: &Shared, shutdown: CancellationToken) {
    let mut pause = limits::BACKOFF_MIN;
    loop {
        let lived = tokio::select! {
            () = shutdown.cancelled() => None,
            lived = one_stream(shared) => Some(lived),
        };
        shared.mirror.lock().down(Instant::now());
        let Some(came_up) = lived else { return shared.deps.metrics.forget(&shared.info.id) };
        shared.deps.metrics.link(&shared.info.id, false);
        if came_up {
            tracing::warn!(node = %shared.info.id, "The stream to a media node broke; its sessions go on");
            pause = limits::BACKOFF_MIN;
        } else {
            pause = (pause * 2).min(limits::BACKOFF_MAX);
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = async { tokio::join!(sleep(shortened(pause)), shared.deliver()); } => {}
        }
    }
}

/// Whether it came up at all.
async fn one_stream(shared: &Shared) -> bool {
    let Some((socket, hello)) = dial::dial(shared).await else { return false };
    shared.mirror.lock().up(hello);
    shared.deps.metrics.link(&shared.info.id, true);
    tracing::info!(node = %shared.info.id, "The stream to a media node is up");
    let (sink, stream) = Socket::split(socket);
    tokio::select! {
        () = read(shared, stream) => {}
        () = write(shared, sink) => {}
    }
    true
}

async fn read(shared: &Shared, mut stream: SplitStream<Socket>) {
    shared.deliver().await;
    while let Ok(Some(Ok(message))) = timeout(limits::SILENCE, stream.next()).await {
        match message {
            Message::Text(text) => {
                let Ok(tell) = protocol::parse(text.as_str()) else { return };
                let sample = shared.mirror.lock().heard(tell, Instant::now());
                if let Some(sample) = sample {
                    // Whoever is slow misses it: the next one comes in a second.
                    let _ = shared.deps.events.try_send(sample);
                }
                shared.wake.notify_one();
                shared.deliver().await;
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Binary(_) | Message::Close(_) | Message::Frame(_) => return,
        }
    }
}

async fn write(shared: &Shared, mut sink: SplitSink<Socket, Message>) {
    let mut beat = interval(limits::BEAT);
    let mut again = interval(limits::AGAIN);
    let silence = protocol::encode(&Ask::Beat).unwrap_or_default();
    loop {
        loop {
            let Some(text) = shared.mirror.lock().next(Instant::now()) else { break };
            if !send(&mut sink, text).await {
                return;
            }
        }
        tokio::select! {
            () = shared.wake.notified() => {}
            _ = again.tick() => {
                let mut mirror = shared.mirror.lock();
                if mirror.is_stuck(Instant::now()) {
                    return;
                }
                mirror.try_again(Instant::now());
            }
            _ = beat.tick() => if !send(&mut sink, silence.clone()).await {
                return;
            }
        }
    }
}

async fn send(sink: &mut SplitSink<Socket, Message>, text: String) -> bool {
    matches!(timeout(limits::WRITE_WITHIN, sink.send(Message::text(text))).await, Ok(Ok(())))
}

/// So that the streams of many processes do not come back at the same moment.
fn shortened(pause: Duration) -> Duration {
    let mut chance = [0; 1];
    // Where there is none, all come back at once: no worse.
    let _ = getrandom::fill(&mut chance);
    pause.mul_f64(1.0 - f64::from(chance[0]) / 512.0)
}
