//! What waits for a slow reader. Views replace older views of their kind, so the queue stays short
//! however often they change; everything else is counted.

use crate::limits;
use signaling_protocol::{CloseCode, ServerMessage, limits::MAX_CLOSE_REASON_BYTES};
use std::{collections::VecDeque, mem};

/// One WebSocket frame to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A text message.
    Message(ServerMessage),
    /// A text message of another process, passed on as it is.
    Text(String),
    /// A WebSocket ping.
    Ping,
    /// The close frame, the last of all.
    Close {
        /// Its code.
        code: CloseCode,
        /// Its reason, at most 123 bytes.
        reason: &'static str,
    },
}

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    frames: VecDeque<Frame>,
}

impl Outgoing {
    /// False when too many wait.
    pub(super) fn push(&mut self, message: ServerMessage) -> bool {
        if is_view(&message)
            && let Some(older) = self.frames.iter_mut().find(|frame| is_same_view(frame, &message))
        {
            *older = Frame::Message(message);
            return true;
        }
        if !is_view(&message) && self.counted() >= limits::MAX_OUTGOING_MESSAGES {
            return false;
        }
        self.frames.push_back(Frame::Message(message));
        true
    }

    /// Text of another process. False when too much waits: it does not stop when it is told to.
    pub(super) fn push_text(&mut self, text: String) -> bool {
        if self.counted() >= limits::MAX_OUTGOING_MESSAGES {
            return false;
        }
        self.frames.push_back(Frame::Text(text));
        true
    }

    /// Whether another text may be read.
    pub(super) fn has_room(&self) -> bool {
        self.counted() < limits::MAX_OUTGOING_MESSAGES / 2
    }

    /// A message before the close frame, whatever waits already.
    pub(super) fn last_words(&mut self, message: ServerMessage) {
        self.frames.push_back(Frame::Message(message));
    }

    pub(super) fn ping(&mut self) {
        if !self.frames.contains(&Frame::Ping) {
            self.frames.push_back(Frame::Ping);
        }
    }

    pub(super) fn close(&mut self, code: CloseCode, reason: &'static str) {
        debug_assert!(reason.len() <= MAX_CLOSE_REASON_BYTES, "reasons are our own words");
        self.frames.push_back(Frame::Close { code, reason });
    }

    pub(super) fn clear(&mut self) {
        self.frames.clear();
    }

    pub(super) fn pop(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    fn counted(&self) -> usize {
        let counts = |frame: &&Frame| match frame {
            Frame::Message(message) => !is_view(message),
            Frame::Text(_) => true,
            Frame::Ping | Frame::Close { .. } => false,
        };
        self.frames.iter().filter(counts).count()
    }
}

/// Whole views, of which only the newest is worth sending; and histories, one per visit.
const fn is_view(message: &ServerMessage) -> bool {
    matches!(
        message,
        ServerMessage::Visit { .. }
            | ServerMessage::Queue { .. }
            | ServerMessage::Slots { .. }
            | ServerMessage::ChatHistory { .. }
    )
}

fn is_same_view(frame: &Frame, message: &ServerMessage) -> bool {
    let Frame::Message(other) = frame else { return false };
    match (other, message) {
        (ServerMessage::ChatHistory { visit: a, .. }, ServerMessage::ChatHistory { visit: b, .. }) => a == b,
        _ => mem::discriminant(other) == mem::discriminant(message),
    }
}
