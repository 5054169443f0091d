//! One WebSocket, from the upgrade to the close frame. Never reads a clock, never touches a socket.
//!
//! Contract: after each `handle_*`, drain [`Connection::poll`] to `None`; write [`Connection::frame`]s
//! while the socket takes them; call [`Connection::handle_timeout`] at [`Connection::poll_timeout`].
//!
//! ```text
//! Silent ──hello──▶ Joining ──welcome──▶ Open ──▶ Closing (one close frame, then nothing)
//!    │              └─relay─▶ Relayed ──────▶ ▲
//!    └──5 s: 1001, or anything else: 4401───────────▶ ▲
//! ```

mod bucket;
mod outgoing;

pub use outgoing::Frame;

use crate::{limits, rejection::words};
use bucket::Bucket;
use model::{Phi, TraceContext};
use outgoing::Outgoing;
use signaling_protocol::{
    ClientMessage, CloseCode, ErrorCode, ServerMessage,
    client::ParseError,
    limits::{HELLO_TIMEOUT, MAX_MESSAGE_BYTES},
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
        /// The trace that the page says it is part of.
        trace: Option<TraceContext>,
    },
    /// Hand this to the waiting room's owner.
    Message(ClientMessage),
    /// Pass this text on as it is: the owner is another process.
    Forward(Phi<String>),
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Silent { until: Instant },
    /// The token is being verified, the seat recorded. What the page says meanwhile is held: as it was understood, and
    /// with its hello as it was said.
    Joining { held: VecDeque<ClientMessage>, said: Vec<Phi<String>> },
    /// Welcomed.
    Open,
    /// Another process is asked and answers; its words are passed on unread.
    Relayed,
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
            _ if matches!(self.state, State::Relayed) && text.len() <= MAX_MESSAGE_BYTES => {
                self.outputs.push_back(Output::Forward(text.to_owned().into()));
            }
            Ok(message) => self.hear(message, text),
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
        if welcome && let State::Joining { held, .. } = std::mem::replace(&mut self.state, State::Open) {
            self.outputs.extend(held.into_iter().map(Output::Message));
        }
    }

    /// The waiting room's owner is another process, which hears everything from the hello on.
    pub fn relay(&mut self) {
        match std::mem::replace(&mut self.state, State::Relayed) {
            State::Joining { said, .. } => self.outputs.extend(said.into_iter().map(Output::Forward)),
            before => self.state = before,
        }
    }

    /// The other process says something to the page.
    pub fn handle_far(&mut self, now: Instant, text: String) {
        if self.is_closing() {
            return;
        }
        if !self.outgoing.push_text(text) {
            return self.handle_overrun();
        }
        self.writing_since.get_or_insert(now);
    }

    /// The other process has closed its end, and said why before; or it is just gone (`None`).
    pub fn handle_far_closed(&mut self, with: Option<CloseCode>) {
        match with {
            Some(code) => self.finish(code, "closed"),
            None => self.handle_shutdown(false),
        }
    }

    /// Whether more of what the other process says can be taken now: its end is to wait otherwise.
    #[must_use]
    pub fn takes_more(&self) -> bool {
        self.outgoing.has_room()
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
            // On a line this slow a good token may still be on its way: the page is to keep it and come again.
            State::Silent { until } if now >= until => {
                return self.finish(CloseCode::GoingAway, "no hello in time");
            }
            State::Closing(_) => return,
            State::Silent { .. } | State::Joining { .. } | State::Open | State::Relayed => {}
        }
        if self.writing_since.is_some_and(|since| now >= since + limits::WRITE_TIMEOUT) {
            return self.handle_overrun();
        }
        if now >= self.heard_at + limits::IDLE_TIMEOUT {
            return self.finish(CloseCode::GoingAway, "no sign of life");
        }
        if now >= self.ping_at() {
            self.pinged_at = now;
            self.outgoing.ping();
        }
    }

    /// A peer that speaks by itself needs no ping.
    fn ping_at(&self) -> Instant {
        self.pinged_at.max(self.heard_at) + limits::PING_INTERVAL
    }

    /// When [`Connection::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let hello = match self.state {
            State::Closing(_) => return None,
            State::Silent { until } => Some(until),
            State::Joining { .. } | State::Open | State::Relayed => None,
        };
        let writing = self.writing_since.map(|since| since + limits::WRITE_TIMEOUT);
        let idle = self.heard_at + limits::IDLE_TIMEOUT;
        let ping = self.ping_at();
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
            State::Silent { .. } | State::Joining { .. } | State::Open | State::Relayed => None,
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

    fn hear(&mut self, message: ClientMessage, text: &str) {
        match (&mut self.state, message) {
            (
                State::Silent { .. },
                ClientMessage::Hello { token, can_share_screen, traceparent: trace, .. },
            ) => {
                let said = vec![text.to_owned().into()];
                self.state = State::Joining { held: VecDeque::new(), said };
                self.outputs.push_back(Output::Hello { token: token.into(), can_share_screen, trace });
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
            (State::Joining { held, said }, message) => {
                if held.len() >= limits::MAX_HELD_MESSAGES {
                    return self.close(ErrorCode::TooManyRequests);
                }
                held.push_back(message);
                said.push(text.to_owned().into());
            }
            (State::Open, message) => self.outputs.push_back(Output::Message(message)),
            (State::Relayed | State::Closing(_), _) => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ParticipantId, Role, Timestamp};
    use signaling_protocol::limits::MAX_MESSAGE_BYTES;
    use std::time::Duration;
    use uuid::Uuid;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary instant to start from")]
    fn silent() -> (Connection, Instant) {
        let now = Instant::now();
        (Connection::new(now), now)
    }

    fn open() -> (Connection, Instant) {
        let (mut connection, now) = silent();
        connection.handle_text(now, HELLO);
        assert!(matches!(connection.poll(), Some(Output::Hello { .. })));
        connection.handle_server(now, welcome());
        assert!(matches!(connection.frame(), Some(Frame::Message(ServerMessage::Welcome { .. }))));
        connection.handle_flushed(now);
        (connection, now)
    }

    const HELLO: &str = r#"{"type":"hello","token":"t","build":"b"}"#;
    const PING: &str = r#"{"type":"ping","nonce":1}"#;
    const LEAVE: &str = r#"{"type":"leave","id":"00000000-0000-0000-0000-000000000001"}"#;

    fn welcome() -> ServerMessage {
        ServerMessage::Welcome {
            participant: ParticipantId(Uuid::nil()),
            role: Role::Patient,
            resume_token: String::new(),
            server_time: Timestamp(0),
            build: String::new(),
        }
    }

    /// The code it closed with, having said so in words first.
    fn closed(connection: &mut Connection) -> Option<CloseCode> {
        let mut frames = Vec::new();
        while let Some(frame) = connection.frame() {
            frames.push(frame);
        }
        match frames.as_slice() {
            [
                ..,
                Frame::Message(ServerMessage::Error { re: None, code, .. }),
                Frame::Close { code: with, .. },
            ] => {
                assert_eq!(CloseCode::for_error(*code), *with);
                Some(*with)
            }
            [.., Frame::Close { code, .. }] => Some(*code),
            _ => None,
        }
    }

    #[test]
    fn hello_comes_first_and_in_time() {
        let (mut connection, now) = silent();
        connection.handle_timeout(now + HELLO_TIMEOUT - Duration::from_millis(1));
        assert_eq!(closed(&mut connection), None);
        connection.handle_timeout(now + HELLO_TIMEOUT);
        assert_eq!(closed(&mut connection), Some(CloseCode::GoingAway), "which keeps its token");
        for early in [PING, LEAVE] {
            let (mut connection, now) = silent();
            connection.handle_text(now, early);
            assert_eq!(closed(&mut connection), Some(CloseCode::NotAuthorized));
            assert_eq!(connection.poll(), None);
        }
    }

    #[test]
    fn what_is_no_message_closes_by_its_kind() {
        let (mut connection, now) = open();
        connection.handle_text(now, "{}");
        assert_eq!(closed(&mut connection), Some(CloseCode::Policy));
        let (mut connection, now) = open();
        connection.handle_binary(now);
        assert_eq!(closed(&mut connection), Some(CloseCode::Policy));
        let (mut connection, now) = open();
        connection.handle_text(now, HELLO);
        assert_eq!(closed(&mut connection), Some(CloseCode::Policy));
        let (mut connection, now) = open();
        let padded = |bytes: usize| format!("{PING}{}", " ".repeat(bytes - PING.len()));
        connection.handle_text(now, &padded(MAX_MESSAGE_BYTES));
        assert_eq!(closed(&mut connection), None);
        connection.handle_text(now, &padded(MAX_MESSAGE_BYTES + 1));
        assert_eq!(closed(&mut connection), Some(CloseCode::TooBig));
    }

    #[test]
    fn nothing_is_heard_after_the_close() {
        let (mut connection, now) = open();
        connection.handle_close(Some(ErrorCode::Replaced));
        connection.handle_text(now, LEAVE);
        connection.handle_server(now, welcome());
        connection.handle_close(None);
        assert_eq!(connection.poll(), None);
        assert_eq!(closed(&mut connection), Some(CloseCode::Replaced));
        assert_eq!(connection.poll_timeout(), None);
    }

    #[test]
    fn what_is_said_while_joining_is_held_up_to_its_limit() {
        let (mut connection, now) = silent();
        connection.handle_text(now, HELLO);
        connection.poll();
        for _ in 0..limits::MAX_HELD_MESSAGES {
            connection.handle_text(now, LEAVE);
        }
        assert_eq!(connection.poll(), None);
        connection.handle_server(now, welcome());
        let released = std::iter::from_fn(|| connection.poll()).count();
        assert_eq!(released, limits::MAX_HELD_MESSAGES);

        let (mut connection, now) = silent();
        connection.handle_text(now, HELLO);
        for _ in 0..=limits::MAX_HELD_MESSAGES {
            connection.handle_text(now, LEAVE);
        }
        assert_eq!(closed(&mut connection), Some(CloseCode::TooManyRequests));
    }

    fn relayed() -> (Connection, Instant) {
        let (mut connection, now) = silent();
        connection.handle_text(now, HELLO);
        connection.poll();
        connection.handle_text(now, LEAVE);
        connection.relay();
        for said in [HELLO, LEAVE] {
            assert_eq!(connection.poll(), Some(Output::Forward(said.into())));
        }
        assert_eq!(connection.poll(), None);
        (connection, now)
    }

    #[test]
    fn another_process_hears_everything_from_the_hello_on_and_is_passed_on_unread() {
        let (mut connection, now) = relayed();
        let newer = r#"{"type":"of-a-newer-build"}"#;
        connection.handle_text(now, newer);
        assert_eq!(connection.poll(), Some(Output::Forward(newer.into())));
        connection.handle_far(now, newer.to_owned());
        assert_eq!(connection.frame(), Some(Frame::Text(newer.to_owned())));
        connection.handle_far_closed(Some(CloseCode::Replaced));
        assert_eq!(connection.close_code(), Some(CloseCode::Replaced));
        let (mut connection, _) = relayed();
        connection.handle_far_closed(None);
        assert_eq!(closed(&mut connection), Some(CloseCode::Restart));
    }

    #[test]
    fn a_relayed_page_is_held_to_the_same_limits() {
        let (mut connection, now) = relayed();
        connection.handle_text(now, &" ".repeat(MAX_MESSAGE_BYTES));
        assert!(matches!(connection.poll(), Some(Output::Forward(_))));
        connection.handle_text(now, &" ".repeat(MAX_MESSAGE_BYTES + 1));
        assert_eq!(closed(&mut connection), Some(CloseCode::TooBig));
        let (mut connection, now) = relayed();
        for _ in 0..limits::MESSAGE_BURST {
            connection.handle_text(now, LEAVE);
        }
        assert_eq!(closed(&mut connection), Some(CloseCode::TooManyRequests));
        let (mut connection, now) = relayed();
        connection.handle_timeout(now + limits::IDLE_TIMEOUT);
        assert_eq!(closed(&mut connection), Some(CloseCode::GoingAway));
    }

    #[test]
    fn a_slow_page_makes_the_other_process_wait_before_it_is_closed() {
        let (mut connection, now) = relayed();
        for _ in 0..limits::MAX_OUTGOING_MESSAGES {
            connection.handle_far(now, String::new());
        }
        assert!(!connection.takes_more() && !connection.is_closing());
        connection.handle_far(now, String::new());
        assert_eq!(closed(&mut connection), Some(CloseCode::TryAgainLater));
        let (mut connection, now) = relayed();
        for sent in 0..limits::MAX_OUTGOING_MESSAGES / 2 {
            assert!(connection.takes_more(), "{sent}");
            connection.handle_far(now, String::new());
        }
        assert!(!connection.takes_more());
    }

    #[test]
    fn a_flood_closes_one_past_the_burst() {
        let (mut connection, now) = open();
        for _ in 1..limits::MESSAGE_BURST {
            connection.handle_text(now, PING);
        }
        assert!(!connection.is_closing());
        connection.handle_sign_of_life(now);
        assert_eq!(closed(&mut connection), Some(CloseCode::TooManyRequests));
    }

    #[test]
    fn views_replace_older_views_and_everything_else_is_counted() {
        let (mut connection, now) = open();
        for _ in 0..1_000 {
            connection.handle_server(now, ServerMessage::Visit { visit: None });
        }
        assert!(matches!(connection.frame(), Some(Frame::Message(ServerMessage::Visit { .. }))));
        assert!(!connection.has_frame());
        for _ in 0..limits::MAX_OUTGOING_MESSAGES {
            connection.handle_server(now, ServerMessage::MediaClosed);
        }
        connection.handle_server(now, ServerMessage::Visit { visit: None });
        assert!(!connection.is_closing());
        connection.handle_server(now, ServerMessage::MediaClosed);
        assert_eq!(closed(&mut connection), Some(CloseCode::TryAgainLater));
    }

    #[test]
    fn a_frame_that_does_not_leave_closes_at_its_limit() {
        let (mut connection, now) = open();
        connection.handle_server(now, ServerMessage::MediaClosed);
        connection.handle_timeout(now + limits::WRITE_TIMEOUT - Duration::from_millis(1));
        assert!(!connection.is_closing());
        connection.handle_timeout(now + limits::WRITE_TIMEOUT);
        assert_eq!(closed(&mut connection), Some(CloseCode::TryAgainLater));
    }

    #[test]
    fn who_speaks_by_itself_is_not_pinged() {
        let (mut connection, now) = open();
        let half = limits::PING_INTERVAL / 2;
        for n in 1..=10 {
            connection.handle_sign_of_life(now + n * half);
            connection.handle_timeout(now + n * half);
            assert_eq!(connection.frame(), None, "{n}");
            assert_eq!(connection.poll_timeout(), Some(now + n * half + limits::PING_INTERVAL));
        }
    }

    #[test]
    fn it_pings_and_notices_silence() {
        let (mut connection, now) = open();
        assert_eq!(connection.poll_timeout(), Some(now + limits::PING_INTERVAL));
        connection.handle_timeout(now + limits::PING_INTERVAL);
        assert_eq!(connection.frame(), Some(Frame::Ping));
        connection.handle_flushed(now + limits::PING_INTERVAL);
        connection.handle_sign_of_life(now + limits::PING_INTERVAL);
        connection.handle_timeout(now + limits::IDLE_TIMEOUT);
        assert!(!connection.is_closing());
        connection.handle_timeout(now + limits::PING_INTERVAL + limits::IDLE_TIMEOUT);
        assert_eq!(closed(&mut connection), Some(CloseCode::GoingAway));
    }

    #[test]
    fn a_token_does_not_print_itself() {
        let (mut connection, now) = silent();
        connection.handle_text(now, r#"{"type":"hello","token":"SECRET","build":"b"}"#);
        assert!(!format!("{:?}", connection.poll()).contains("SECRET"));
    }
}
