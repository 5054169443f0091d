//! Who is let in, and what becomes of those who talk nonsense.

use crate::world::{Node, World, eventually, metric};
use futures_util::{SinkExt as _, StreamExt as _};
use model::Timestamp;
use platform::{
    clock::{Clock as _, SystemClock},
    keys::Keys,
};
use sfu_link::{
    limits,
    node::PATH,
    protocol::{self, Ask, SUBPROTOCOL, Tell, VERSION},
    token::{self, LinkClaims},
};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest as _,
        http::{HeaderName, HeaderValue},
    },
};
use uuid::Uuid;

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// Knocks with these headers and the subprotocol; the status where it is refused.
pub(crate) async fn knock(at: SocketAddr, headers: &[(&str, &str)]) -> Result<Socket, u16> {
    let mut request = format!("ws://{at}{PATH}").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// A stream that was greeted, by hand.
pub(crate) async fn open(world: &World, at: SocketAddr) -> Socket {
    let bearer = format!("Bearer {}", token::sign(&world.keys, now(), Uuid::nil()));
    let mut socket = knock(at, &[("authorization", &bearer)]).await.unwrap();
    let hello = Ask::Hello { version: VERSION, process: Uuid::nil(), capabilities: Vec::new() };
    socket.send(Message::text(protocol::encode(&hello).unwrap())).await.unwrap();
    let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("no hello") };
    assert!(matches!(protocol::parse(text.as_str()), Ok(Tell::Hello(_))));
    socket
}

#[test]
fn only_a_process_with_the_fleets_keys_is_let_in() {
    let world = World::new();
    let node = world.node("one");
    let status = |headers: &[(&str, &str)]| world.runtime.block_on(knock(node.addr, headers)).err();
    let claims = LinkClaims { process: Uuid::nil() };
    let bearer = |token: &str| format!("Bearer {token}");
    let good = bearer(&token::sign(&world.keys, now(), Uuid::nil()));
    assert_eq!(status(&[("authorization", &good)]), None);

    let foreign = bearer(&token::sign(&Keys::ephemeral(), now(), Uuid::nil()));
    let past = now() - limits::TOKEN_TTL - std::time::Duration::from_secs(1);
    let expired = bearer(&token::sign(&world.keys, past, Uuid::nil()));
    let other = bearer(&world.keys.sign("join", limits::TOKEN_TTL, now(), &claims));
    for bad in [foreign, expired, other, good.replace("Bearer", "Basic"), String::new()] {
        assert_eq!(status(&[("authorization", &bad)]), Some(401), "{bad}");
    }
    assert_eq!(status(&[]), Some(401));
    for origin in ["https://clinic.example", "null", ""] {
        assert_eq!(status(&[("authorization", &good), ("origin", origin)]), Some(403), "a browser");
    }
    assert_eq!(status(&[("authorization", &good), ("sec-websocket-protocol", "telehealth.v1")]), Some(400));
    assert!(metric(&node.registry, "refused_total", "unauthorized") >= 6.0);
    assert_eq!(metric(&node.registry, "refused_total", "forbidden"), 3.0);
    node.stop(&world);
}

/// Ends by itself.
async fn ends(mut socket: Socket) -> bool {
    let ended = async {
        while let Some(Ok(message)) = socket.next().await {
            if matches!(message, Message::Close(_)) {
                return;
            }
        }
    };
    tokio::time::timeout(limits::SILENCE * 3, ended).await.is_ok()
}

#[test]
fn who_does_not_greet_or_talks_nonsense_is_let_go() {
    let world = World::new();
    let node = world.node("one");
    world.runtime.block_on(async {
        let bearer = format!("Bearer {}", token::sign(&world.keys, now(), Uuid::nil()));
        let headers = [("authorization", bearer.as_str())];
        assert!(ends(knock(node.addr, &headers).await.unwrap()).await, "says nothing");
        for first in [
            "",
            "nonsense",
            r#"{"type":"beat"}"#,
            r#"{"type":"hello"}"#,
            r#"{"type":"hello","version":0,"process":"00000000-0000-0000-0000-000000000000"}"#,
        ] {
            let mut socket = knock(node.addr, &headers).await.unwrap();
            socket.send(Message::text(first)).await.unwrap();
            assert!(ends(socket).await, "{first}");
        }
        for then in [Message::text("{"), Message::binary(vec![1, 2, 3]), Message::text(r#"{"type":"seat"}"#)]
        {
            let mut socket = open(&world, node.addr).await;
            socket.send(then.clone()).await.unwrap();
            assert!(ends(socket).await, "{then:?}");
        }
        assert!(ends(open(&world, node.addr).await).await, "greets and is silent");
    });
    all_gone(&node);
    node.stop(&world);
}

/// What a newer process says beyond this build is ignored, and answers go on.
#[test]
fn a_newer_process_is_understood() {
    let world = World::new();
    let node = world.node("one");
    world.runtime.block_on(async {
        let mut socket = open(&world, node.addr).await;
        let say = [
            r#"{"type":"migrate","call":1,"to":{"node":"two"}}"#,
            r#"{"type":"claim","call":2,"tenant":"00000000-0000-0000-0000-000000000001",
                "affinity":"00000000-0000-0000-0000-000000000007","epoch":3,"priority":"high"}"#,
        ];
        for text in say {
            socket.send(Message::text(text)).await.unwrap();
        }
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            match protocol::parse(text.as_str()).unwrap() {
                Tell::Claimed { call, sessions } => break assert_eq!((call, sessions.len()), (2, 0)),
                Tell::Load(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    node.stop(&world);
}

fn all_gone(node: &Node) {
    assert!(eventually(|| metric(&node.registry, "streams", "") == 0.0));
}
