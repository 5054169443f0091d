//! What stands between two processes, and can be cut, paused and pointed elsewhere.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    runtime::Runtime,
    sync::watch,
};

#[derive(Clone, Copy)]
struct State {
    target: SocketAddr,
    /// Connections of an older number are gone.
    generation: u64,
    refuses: bool,
    paused: bool,
}

pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    state: watch::Sender<State>,
}

impl Proxy {
    pub(crate) fn start(runtime: &Runtime, target: SocketAddr) -> Self {
        let (state, watched) = watch::channel(State { target, generation: 0, refuses: false, paused: false });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let addr = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                connections.spawn(serve(near, watched.clone()));
            }
        });
        Self { addr, state }
    }

    /// Drops every connection; new ones are dropped too until [`Proxy::mend`].
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| {
            state.generation += 1;
            state.refuses = true;
        });
    }

    pub(crate) fn mend(&self) {
        self.state.send_modify(|state| state.refuses = false);
    }

    /// Bytes wait, in both directions.
    pub(crate) fn pause(&self, paused: bool) {
        self.state.send_modify(|state| state.paused = paused);
    }

    pub(crate) fn point_at(&self, target: SocketAddr) {
        self.state.send_modify(|state| state.target = target);
    }
}

async fn serve(near: TcpStream, mut state: watch::Receiver<State>) {
    let State { target, generation, refuses, .. } = *state.borrow();
    if refuses {
        return;
    }
    let Ok(far) = TcpStream::connect(target).await else { return };
    let (near, far) = (near.into_split(), far.into_split());
    let (up, down) = (state.clone(), state.clone());
    tokio::select! {
        () = copy(near.0, far.1, up) => {}
        () = copy(far.0, near.1, down) => {}
        _ = state.wait_for(|state| state.generation != generation) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut bytes).await else { return };
        if state.wait_for(|state| !state.paused).await.is_err() || to.write_all(&bytes[..read]).await.is_err()
        {
            return;
        }
    }
}
