//! One WebSocket, from the upgrade to the close frame. Never reads a clock, never touches a socket.
//!
//! Contract: after each `handle_*`, drain [`Connection::poll`] to `None`; write [`Connection::frame`]s
//! while the socket takes them; call [`Connection::handle_timeout`] at [`Connection::poll_timeout`].
//!
//! ```text
//! Silent ──hello──▶ Joining ──welcome──▶ Open ──▶ Closing (one close frame, then nothing)
//!    └──5 s, or anything else: 4401─────────────────▶ ▲
//! ```

mod bucket;
mod outgoing;

pub use outgoing::Frame;

use crate::{limits, rejection::words};
use bucket::Bucket;
use model::Phi;
use outgoing::Outgoing;
use signaling_protocol::{
    ClientMessage, CloseCode, ErrorCode, ServerMessage,
    client::ParseError,
    limits::HELLO_TIMEOUT,
};
use std::{collections::VecDeque, time::Instant};

/// What the shell is to do besides writing frames.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Verify this token and tell the waiting room's owner.
    Hello {
        /// A join or a resume token (a secret: keeps itself from printing).
        token: Phi<String>,
        /// Whether this browser can capture a screen.
        can_share_screen: bool,
    },
    /// Hand this to the waiting room's owner.
    Message(ClientMessage),
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Silent { until: Instant },
    /// The token is being verified, the seat recorded. What the page says meanwhile is held.
    Joining { held: VecDeque<ClientMessage> },
    /// Welcomed.
    Open,
    /// A close frame with this code is in the queue; nothing is heard any more.
    Closing(CloseCode),
}

/// One WebSocket.
#[derive(Debug)]
pub struct Connection {
    state: State,
    bucket: Bucket,
    heard_at: Instant,
    pinged_at: Instant,
    /// Since when a frame waits for the socket.
    writing_since: Option<Instant>,
    outgoing: Outgoing,
    outputs: VecDeque<Output>,
}

impl Connection {
    /// A connection that was just upgraded.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Silent { until: now + HELLO_TIMEOUT },
            bucket: Bucket::new(now),
            heard_at: now,
            pinged_at: now,
            writing_since: None,
            outgoing: Outgoing::default(),
            outputs: VecDeque::new(),
        }
    }

    /// A text message.
    pub fn handle_text(&mut self, now: Instant, text: &str) {
        if !self.admit_one(now) {
            return;
        }
        match ClientMessage::parse(text) {
            Ok(message) => self.hear(message),
            Err(ParseError::TooLong) => self.close(ErrorCode::MessageTooLong),
            Err(ParseError::Invalid) => self.close(ErrorCode::BadMessage),
        }
    }

    /// A binary message: there are none in this protocol.
    pub fn handle_binary(&mut self, now: Instant) {
        if self.admit_one(now) {
            self.close(ErrorCode::BadMessage);
        }
    }

    /// A message longer than [`signaling_protocol::limits::MAX_MESSAGE_BYTES`], not read to its end.
    pub fn handle_too_long(&mut self) {
        self.close(ErrorCode::MessageTooLong);
    }

    /// A WebSocket ping or pong: the peer lives.
    pub fn handle_sign_of_life(&mut self, now: Instant) {
        self.admit_one(now);
    }

    /// The owner says something to the page.
    pub fn handle_server(&mut self, now: Instant, message: ServerMessage) {
        let welcome = matches!(message, ServerMessage::Welcome { .. });
        if matches!(self.state, State::Closing(_)) {
            return;
        }
        if !self.outgoing.push(message) {
            self.outgoing.clear();
            return self.close(ErrorCode::Unavailable);
        }
        self.writing_since.get_or_insert(now);
        if welcome && let State::Joining { held } = std::mem::replace(&mut self.state, State::Open) {
            self.outputs.extend(held.into_iter().map(Output::Message));
        }
    }

    /// The owner closes the connection: with this error, or because all is done.
    pub fn handle_close(&mut self, because: Option<ErrorCode>) {
        match because {
            Some(because) => self.close(because),
            None => self.finish(CloseCode::Normal, "done"),
        }
    }

    /// Too many messages wait between the owner and this connection.
    pub fn handle_overrun(&mut self) {
        self.outgoing.clear();
        self.close(ErrorCode::Unavailable);
    }

    /// The process goes down for good, and this connection had no owner to tell it.
    pub fn handle_shutdown(&mut self, for_good: bool) {
        self.say_and_finish(
            ErrorCode::Restarting,
            if for_good { CloseCode::GoingAway } else { CloseCode::Restart },
        );
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.state {
            State::Silent { until } if now >= until => return self.close(ErrorCode::NotAuthorized),
            State::Closing(_) => return,
            State::Silent { .. } | State::Joining { .. } | State::Open => {}
        }
        if self.writing_since.is_some_and(|since| now >= since + limits::WRITE_TIMEOUT) {
            return self.handle_overrun();
        }
        if now >= self.heard_at + limits::IDLE_TIMEOUT {
            return self.finish(CloseCode::GoingAway, "no sign of life");
        }
        if now >= self.pinged_at + limits::PING_INTERVAL {
            self.pinged_at = now;
            self.outgoing.ping();
        }
    }

    /// When [`Connection::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let hello = match self.state {
            State::Closing(_) => return None,
            State::Silent { until } => Some(until),
            State::Joining { .. } | State::Open => None,
        };
        let writing = self.writing_since.map(|since| since + limits::WRITE_TIMEOUT);
        let idle = self.heard_at + limits::IDLE_TIMEOUT;
        let ping = self.pinged_at + limits::PING_INTERVAL;
        [hello, writing, Some(idle), Some(ping)].into_iter().flatten().min()
    }

    /// What the shell is to do next.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// True when a frame waits to be written.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The next frame, when the socket takes one. After [`Frame::Close`] there is none.
    pub fn frame(&mut self) -> Option<Frame> {
        self.outgoing.pop()
    }

    /// The socket has taken everything handed to it so far.
    pub fn handle_flushed(&mut self, now: Instant) {
        self.writing_since = self.has_frame().then_some(now);
    }

    /// True once a close frame is in the queue or was taken from it.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        matches!(self.state, State::Closing(_))
    }

    /// The code it closes with, once that is decided.
    #[must_use]
    pub const fn close_code(&self) -> Option<CloseCode> {
        match self.state {
            State::Closing(code) => Some(code),
            State::Silent { .. } | State::Joining { .. } | State::Open => None,
        }
    }

    fn admit_one(&mut self, now: Instant) -> bool {
        if self.is_closing() {
            return false;
        }
        self.heard_at = now;
        let admitted = self.bucket.take(now);
        if !admitted {
            self.close(ErrorCode::TooManyRequests);
        }
        admitted
    }

    fn hear(&mut self, message: ClientMessage) {
        match (&mut self.state, message) {
            (State::Silent { .. }, ClientMessage::Hello { token, can_share_screen, .. }) => {
                self.state = State::Joining { held: VecDeque::new() };
                self.outputs.push_back(Output::Hello { token: token.into(), can_share_screen });
            }
            (State::Silent { .. }, _) => self.close(ErrorCode::NotAuthorized),
            (State::Joining { .. } | State::Open, ClientMessage::Hello { .. }) => {
                self.close(ErrorCode::BadMessage);
            }
            (State::Joining { .. } | State::Open, ClientMessage::Ping { nonce }) => {
                if !self.outgoing.push(ServerMessage::Pong { nonce }) {
                    self.handle_overrun();
                }
            }
            (State::Joining { held }, message) => {
                if held.len() >= limits::MAX_HELD_MESSAGES {
                    return self.close(ErrorCode::TooManyRequests);
                }
                held.push_back(message);
            }
            (State::Open, message) => self.outputs.push_back(Output::Message(message)),
            (State::Closing(_), _) => {}
        }
    }

    /// Ends the connection over an error: says it in words, then closes with the error's code.
    fn close(&mut self, because: ErrorCode) {
        self.say_and_finish(because, CloseCode::for_error(because));
    }

    fn say_and_finish(&mut self, because: ErrorCode, code: CloseCode) {
        if self.is_closing() {
            return;
        }
        let message = words(because);
        self.outgoing.last_words(ServerMessage::Error {
            re: None,
            code: because,
            message: message.to_owned(),
        });
        self.finish(code, message);
    }

    fn finish(&mut self, code: CloseCode, reason: &'static str) {
        if self.is_closing() {
            return;
        }
        self.state = State::Closing(code);
        self.outputs.clear();
        self.outgoing.close(code, reason);
    }
}
