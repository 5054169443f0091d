use super::*;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn start(router: Router) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let listeners = bind("http.listen", &parse("http.listen", "127.0.0.1:0").unwrap()).await.unwrap();
    let (address, shutdown) = (listeners[0].local_addr().unwrap(), CancellationToken::new());
    let mut set = JoinSet::new();
    set.spawn(serve(listeners, None, router, shutdown.clone()));
    let task = tokio::task::spawn_blocking(move || {
        tokio::runtime::Handle::current().block_on(async { set.join_next().await.unwrap().unwrap() });
    });
    (address, shutdown, task)
}

async fn ask(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_tells_handlers_who_asks() {
    let who = get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() });
    let (address, ..) = start(Router::new().route("/", who)).await;
    let answer = ask(address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_read_up_to_its_limit() {
    let (address, ..) = start(Router::new().route("/", get(|| async { "ok" }))).await;
    let with = |bytes: usize| {
        format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\npad: {}\r\n\r\n", "p".repeat(bytes))
    };
    assert!(ask(address, &with(MAX_HEAD_BYTES - 200)).await.starts_with("HTTP/1.1 200"));
    assert!(ask(address, &with(MAX_HEAD_BYTES * 2)).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_lets_a_running_request_finish_and_takes_no_new_ones() {
    let (started, mut has_started) = tokio::sync::mpsc::channel::<()>(1);
    let gate = Arc::new(Semaphore::new(0));
    let handler = {
        let gate = Arc::clone(&gate);
        get(move || async move {
            started.send(()).await.unwrap();
            let _pass = gate.acquire().await.unwrap();
            "done"
        })
    };
    let (address, shutdown, served) = start(Router::new().route("/slow", handler)).await;
    let mut client = JoinSet::new();
    client.spawn(async move { ask(address, "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await });
    has_started.recv().await.unwrap();
    shutdown.cancel();
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1);
    let answer = client.join_next().await.unwrap().unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    served.await.unwrap();
}
