//! Opening a stream.

use super::Shared;
use crate::{
    limits,
    protocol::{self, Ask, Hello, OLDEST, SUBPROTOCOL, Tell, VERSION},
    token,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, header},
        protocol::WebSocketConfig,
    },
};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a stream and greets; `None` when that cannot be done now, in time.
pub(super) async fn dial(shared: &Shared) -> Option<(Socket, Hello)> {
    timeout(limits::OPEN_WITHIN, async {
        let mut socket = open(shared).await?;
        let hello = greet(shared, &mut socket).await?;
        Some((socket, hello))
    })
    .await
    .ok()
    .flatten()
}

async fn open(shared: &Shared) -> Option<Socket> {
    let deps = &shared.deps;
    let token = token::sign(&deps.keys, deps.clock.now(), deps.process);
    let mut request = shared.info.url.as_str().into_client_request().ok()?;
    let headers = request.headers_mut();
    let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    bearer.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, bearer);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .read_buffer_size(limits::READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::WRITE_BUFFER)
        .max_message_size(Some(limits::MAX_MESSAGE_BYTES))
        .max_frame_size(Some(limits::MAX_MESSAGE_BYTES));
    match connect_async_with_config(request, Some(config), true).await {
        Ok((socket, _)) => Some(socket),
        Err(error) => {
            tracing::debug!(node = %shared.info.id, %error, "A media node cannot be reached");
            None
        }
    }
}

async fn greet(shared: &Shared, socket: &mut Socket) -> Option<Hello> {
    let hello = Ask::Hello { version: VERSION, process: shared.deps.process, capabilities: Vec::new() };
    socket.send(Message::text(protocol::encode(&hello).ok()?)).await.ok()?;
    let Message::Text(text) = socket.next().await?.ok()? else { return None };
    let Ok(Tell::Hello(hello)) = protocol::parse(text.as_str()) else { return None };
    (hello.version >= OLDEST && is_bounded(&hello)).then_some(hello)
}

fn is_bounded(hello: &Hello) -> bool {
    hello.node.len() <= limits::MAX_NAME_BYTES
        && hello.region.len() <= limits::MAX_NAME_BYTES
        && hello.capabilities.len() <= limits::MAX_CAPABILITIES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Load;

    #[test]
    fn names_and_capabilities_are_as_long_and_as_many_as_the_limit_and_no_more() {
        let hello = |name: usize, region: usize, capabilities: usize| Hello {
            version: VERSION,
            capabilities: vec![String::new(); capabilities],
            node: "n".repeat(name),
            boot: uuid::Uuid::nil(),
            region: "r".repeat(region),
            load: Load::default(),
        };
        let (name, many) = (limits::MAX_NAME_BYTES, limits::MAX_CAPABILITIES);
        assert!(is_bounded(&hello(name, name, many)));
        assert!(!is_bounded(&hello(name + 1, name, many)));
        assert!(!is_bounded(&hello(name, name + 1, many)));
        assert!(!is_bounded(&hello(name, name, many + 1)));
    }
}
