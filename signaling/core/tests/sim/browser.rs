//! A person with a browser: impatient, forgetful, with a second tab.

use crate::random::Random;
use model::{CommandId, Generation, ParticipantId, Role, VisitId};
use signaling_core::{link::LinkHash, owner::ConnectionId};
use signaling_protocol::{
    ClientMessage, ErrorCode, ServerMessage,
    view::{DeviceHealth, MediaWish, Modality, Outcome, PhaseView, QueueView, VisitView},
};
use std::collections::BTreeSet;

pub(crate) struct Browser {
    pub(crate) link: LinkHash,
    pub(crate) role: Role,
    pub(crate) visit_id: Option<VisitId>,
    pub(crate) participant: ParticipantId,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) welcomed: bool,
    /// From the last `welcome`.
    pub(crate) seat: Option<Generation>,
    /// Commands without an answer, in order; sent again after each reconnect.
    pub(crate) unanswered: Vec<ClientMessage>,
    pub(crate) visit: Option<VisitView>,
    pub(crate) queue: Option<QueueView>,
    /// Chat messages by their place: repeats are visible.
    pub(crate) chat: BTreeSet<(VisitId, u32)>,
    pub(crate) has_media: bool,
    pub(crate) offered: Option<CommandId>,
    /// Said goodbye, or was told that all is over: does not come back by itself.
    pub(crate) gone: bool,
}

impl Browser {
    pub(crate) fn new(
        link: LinkHash,
        role: Role,
        participant: ParticipantId,
        visit: Option<VisitId>,
    ) -> Self {
        Self {
            link,
            role,
            visit_id: visit,
            participant,
            connection: None,
            welcomed: false,
            seat: None,
            unanswered: Vec::new(),
            visit: None,
            queue: None,
            chat: BTreeSet::new(),
            has_media: false,
            offered: None,
            gone: false,
        }
    }

    /// What this person does next, if anything.
    pub(crate) fn act(&mut self, random: &mut Random) -> Option<ClientMessage> {
        let id = CommandId(random.uuid());
        let message = match self.role {
            Role::Clinician => self.lead(random, id),
            _ => self.take_part(random, id),
        }?;
        if let ClientMessage::Offer { id, .. } = &message {
            self.offered = Some(*id);
        } else if message.id().is_some() {
            self.unanswered.push(message.clone());
        }
        Some(message)
    }

    fn wish(&self) -> MediaWish {
        let queue = self.queue.as_ref().map(|queue| queue.media);
        self.visit.as_ref().map(|visit| visit.media).or(queue).unwrap_or(MediaWish::Idle)
    }

    fn offer(&self, id: CommandId) -> Option<ClientMessage> {
        let wanted = self.wish() != MediaWish::Idle && self.offered.is_none();
        wanted.then(|| ClientMessage::Offer { id, sdp: "v=0".into(), restart: self.has_media })
    }

    fn take_part(&self, random: &mut Random, id: CommandId) -> Option<ClientMessage> {
        let visit = self.visit_id?;
        let devices = DeviceHealth::default();
        match (&self.visit.as_ref()?.phase, random.below(100)) {
            (PhaseView::Booked, 0..60) => {
                Some(ClientMessage::CheckIn { id, modality: Modality::Video, devices })
            }
            (_, 0..25) if !self.has_media => self.offer(id),
            (_, 0..3) => self.offer(id),
            (_, 25..28) => Some(ClientMessage::Leave { id }),
            (_, 28..36) => Some(ClientMessage::Devices { devices }),
            (_, 36..44) => Some(ClientMessage::MediaState { microphone: true, camera: random.chance(50) }),
            (PhaseView::InCall { .. }, 44..56) => Some(ClientMessage::ShareRequest { id, visit }),
            (PhaseView::InCall { .. }, 56..62) => {
                Some(ClientMessage::ShareStop { id, visit, participant: self.participant })
            }
            (PhaseView::Ended { .. }, _) => None,
            (_, 62..90) => Some(ClientMessage::Chat { id, visit, text: format!("{id}").into() }),
            _ => None,
        }
    }

    fn lead(&self, random: &mut Random, id: CommandId) -> Option<ClientMessage> {
        let queue = self.queue.as_ref()?;
        let waiting: Vec<_> = queue
            .entries
            .iter()
            .filter(|entry| matches!(entry.phase, PhaseView::Waiting { .. }))
            .map(|entry| entry.visit)
            .collect();
        let roll = random.below(100);
        if !self.has_media && roll < 25 {
            return self.offer(id);
        }
        if let Some(call) = &self.visit {
            let visit = call.id;
            let asked = random.pick(&call.share_requests);
            return match roll {
                0..15 => Some(ClientMessage::End { id, visit, outcome: Outcome::Done }),
                15..35 => Some(ClientMessage::Chat { id, visit, text: format!("{id}").into() }),
                35..40 => Some(ClientMessage::ShareRequest { id, visit }),
                40..45 => Some(ClientMessage::ShareStop { id, visit, participant: call.sharer? }),
                45..70 => Some(ClientMessage::ShareGrant { id, visit, participant: asked? }),
                // Impatient: a second admission while in a call.
                70..74 => Some(ClientMessage::Admit { id, visit: random.pick(&waiting)? }),
                74..77 => Some(ClientMessage::Leave { id }),
                _ => None,
            };
        }
        match roll {
            25..55 => Some(ClientMessage::Admit { id, visit: random.pick(&waiting)? }),
            55..60 => {
                Some(ClientMessage::Deny { id, visit: random.pick(&waiting)?, reason: "Not today.".into() })
            }
            60..64 => Some(ClientMessage::End {
                id,
                visit: random.pick(&waiting)?,
                outcome: Outcome::PatientAbsent,
            }),
            64..72 => {
                Some(ClientMessage::Chat { id, visit: random.pick(&waiting)?, text: format!("{id}").into() })
            }
            72..74 => Some(ClientMessage::Leave { id }),
            _ => None,
        }
    }

    /// Reads what the server says.
    pub(crate) fn hear(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Visit { visit } => self.visit = visit.map(|visit| *visit),
            ServerMessage::Queue { queue } => self.queue = Some(queue),
            ServerMessage::Chat { visit, message } => {
                self.chat.insert((visit, message.seq));
            }
            ServerMessage::ChatHistory { visit, messages } => {
                self.chat.extend(messages.iter().map(|message| (visit, message.seq)));
            }
            ServerMessage::Answer { re, .. } if self.offered == Some(re) => {
                self.offered = None;
                self.has_media = true;
            }
            ServerMessage::MediaClosed => self.has_media = false,
            ServerMessage::Ok { re } | ServerMessage::Invited { re, .. } => self.answered(re),
            ServerMessage::Error { re: Some(re), code, .. } => {
                if self.offered == Some(re) {
                    self.offered = None;
                }
                // Could not be saved just now: it stays, and is sent again with the same id.
                if code != ErrorCode::Unavailable {
                    self.answered(re);
                }
            }
            _ => {}
        }
    }

    fn answered(&mut self, re: CommandId) {
        let left = self.unanswered.iter().any(|m| matches!(m, ClientMessage::Leave { id } if *id == re));
        self.gone |= left;
        self.unanswered.retain(|message| message.id() != Some(re));
    }

    /// The connection is lost, or the page reloaded.
    pub(crate) fn cut(&mut self, reload: bool) {
        self.connection = None;
        self.welcomed = false;
        self.offered = None;
        if reload {
            self.has_media = false;
            // A page that is gone sends nothing again.
            self.unanswered.clear();
            self.visit = None;
            self.queue = None;
        }
    }
}
