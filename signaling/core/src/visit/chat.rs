//! What was said in a visit.

use super::{Event, Phase, check_text};
use crate::{
    limits,
    record::{Actor, Recorded},
    rejection::Rejection,
};
use model::Phi;
use signaling_protocol::{limits::MAX_CHAT_CHARS, view::ChatMessage};

/// The messages of a visit, oldest first. Forgotten here, not in the log, when the visit is over.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    messages: Vec<ChatMessage>,
}

impl Chat {
    /// The newest messages that fit into one `chat-history`, oldest first.
    #[must_use]
    pub fn history(&self) -> &[ChatMessage] {
        let mut bytes = 0;
        let kept = self
            .messages
            .iter()
            .rev()
            .take(limits::CHAT_HISTORY_MESSAGES)
            .take_while(|message| {
                bytes += message.text.expose().len();
                bytes <= limits::CHAT_HISTORY_BYTES
            })
            .count();
        &self.messages[self.messages.len() - kept..]
    }

    /// The newest message.
    #[must_use]
    pub fn last(&self) -> Option<&ChatMessage> {
        self.messages.last()
    }

    pub(super) fn say(&self, phase: &Phase, by: Actor, text: &Phi<String>) -> Result<Vec<Event>, Rejection> {
        check_text(text, 1, MAX_CHAT_CHARS, false)?;
        let Actor::Person { id, role } = by else { return Err(Rejection::NotAllowed) };
        match phase {
            Phase::Booked | Phase::Ended { .. } => Err(Rejection::WrongState),
            _ if self.messages.len() >= limits::MAX_CHAT_PER_VISIT => Err(Rejection::Full),
            Phase::Waiting(_) | Phase::InCall(_) => {
                Ok(vec![Event::Said { from: id, role, text: text.clone() }])
            }
        }
    }

    pub(super) fn evolve(&mut self, recorded: &Recorded<Event>, version: u64) {
        match &recorded.event {
            Event::Said { from, role, text } => self.messages.push(ChatMessage {
                seq: u32::try_from(version).unwrap_or(u32::MAX),
                from: *from,
                role: *role,
                at: recorded.at,
                text: text.clone(),
            }),
            Event::Denied { .. } | Event::Ended { .. } => self.messages = Vec::new(),
            _ => {}
        }
    }
}
