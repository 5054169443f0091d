//! One request to another process over a connection of its own, HTTP/1.1. For what is asked now and then: a pool of
//! connections would have to notice that the other end is gone.

use axum::{
    body::{Body, Bytes},
    http::{Request, Response},
};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// There was no answer: the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no answer")]
pub struct NoAnswer;

/// Sends a request and reads what is answered. Its body is `None` when it ended early or is longer than `limit` bytes.
/// Whoever calls sets the time limit.
///
/// # Errors
/// [`NoAnswer`].
pub async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Body>,
    limit: usize,
) -> Result<Response<Option<Bytes>>, NoAnswer> {
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|_| NoAnswer)?;
    let answered = async move {
        let (parts, body) = sender.send_request(request).await.map_err(|_| NoAnswer)?.into_parts();
        let body = Limited::new(body, limit).collect().await.ok().map(|body| body.to_bytes());
        Ok(Response::from_parts(parts, body))
    };
    let carried = async {
        let _ = connection.await;
        // What it ended with is the answer's to say.
        std::future::pending().await
    };
    tokio::select! {
        biased;
        answer = answered => answer,
        answer = carried => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const LIMIT: usize = 8;

    /// The status and body of an answer that is these bytes and then the end.
    async fn answered(bytes: &str) -> Result<(u16, Option<Bytes>), NoAnswer> {
        let (near, mut far) = tokio::io::duplex(1_024);
        let server = async {
            let mut request = [0; 1_024];
            let read = far.read(&mut request).await.unwrap();
            assert!(request[..read].starts_with(b"GET /x HTTP/1.1\r\n"));
            far.write_all(bytes.as_bytes()).await.unwrap();
            drop(far);
        };
        let request = Request::get("/x").header("host", "there").body(Body::empty()).unwrap();
        let (answer, ()) = tokio::join!(exchange(near, request, LIMIT), server);
        answer.map(|answer| (answer.status().as_u16(), answer.into_body()))
    }

    #[tokio::test]
    async fn an_answer_is_whole_or_without_a_body_or_none() {
        let whole = answered("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n12345678").await;
        assert_eq!(whole, Ok((200, Some(Bytes::from_static(b"12345678")))));
        for cut in ["content-length: 9\r\n\r\n123456789", "content-length: 8\r\n\r\n1234"] {
            assert_eq!(answered(&format!("HTTP/1.1 503 X\r\n{cut}")).await, Ok((503, None)), "{cut}");
        }
        for none in ["", "nonsense\r\n\r\n"] {
            assert_eq!(answered(none).await, Err(NoAnswer), "{none}");
        }
    }
}
