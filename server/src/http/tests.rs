use super::*;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const QUICK: Patience =
    Patience { handshake: Duration::from_millis(100), headers: Duration::from_millis(100) };

pub(super) struct Running {
    pub(super) address: SocketAddr,
    shutdown: CancellationToken,
    server: JoinSet<()>,
}

async fn start_with(router: Router, tls: Option<TlsAcceptor>, patience: Patience) -> Running {
    let listeners = bind("http.listen", &parse("http.listen", "127.0.0.1:0").unwrap()).await.unwrap();
    let (address, shutdown) = (listeners[0].local_addr().unwrap(), CancellationToken::new());
    let mut server = JoinSet::new();
    server.spawn(serve(listeners, tls, router, patience, shutdown.clone()));
    Running { address, shutdown, server }
}

pub(super) async fn start(router: Router) -> Running {
    start_with(router, None, Patience::default()).await
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
    let Running { address, server: _server, .. } = start(Router::new().route("/", who)).await;
    let answer = ask(address, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_read_up_to_its_limit() {
    let Running { address, server: _server, .. } =
        start(Router::new().route("/", get(|| async { "ok" }))).await;
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
    let Running { address, shutdown, mut server } = start(Router::new().route("/slow", handler)).await;
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
    server.join_next().await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dawdles_over_headers_or_says_nothing_is_hung_up_on() {
    let Running { address, server: _server, .. } = start_with(Router::new(), None, QUICK).await;
    for dawdling in ["", "GET / HTTP/1.1\r\nhost:", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
        // The last is answered, and then nothing more is asked.
        let answer = tokio::time::timeout(Duration::from_secs(10), ask(address, dawdling)).await;
        assert!(answer.is_ok(), "{dawdling:?} may stay for ever");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_finishes_a_handshake_is_hung_up_on() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let Running { address, server: _server, .. } = start_with(Router::new(), Some(tls), QUICK).await;
    let answer = tokio::time::timeout(Duration::from_secs(10), ask(address, "\x16\x03\x01")).await;
    assert_eq!(answer.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_not_wait_for_who_dawdles() {
    let Running { address, shutdown, mut server } = start(Router::new()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HT").await.unwrap();
    shutdown.cancel();
    let ended = tokio::time::timeout(HEADER_TIMEOUT / 2, server.join_next()).await;
    assert!(ended.is_ok());
}
