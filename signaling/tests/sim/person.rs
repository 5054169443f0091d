//! A person: what they want, what they were told, and what that must agree with.

use crate::{sim::Sim, world::World};
use model::{CommandId, Role, VisitId};
use signaling_protocol::{
    ClientMessage, ErrorCode, ServerMessage,
    view::{DeviceHealth, MediaWish, Modality, Outcome, PhaseView, QueueView, VisitView},
};
use std::collections::BTreeMap;
use tokio::time::Instant;

pub(crate) struct Person {
    pub(crate) n: usize,
    /// Index of the waiting room.
    pub(crate) room: usize,
    pub(crate) role: Role,
    pub(crate) secret: String,
    /// A patient's.
    pub(crate) visit_id: Option<VisitId>,
    /// Words that must never reach them.
    pub(crate) foreign: Vec<String>,
    pub(crate) resume: Option<String>,
    pub(crate) welcomed: bool,
    /// Commands without an answer, in order, and when they were said last.
    pub(crate) unanswered: Vec<(ClientMessage, Instant)>,
    pub(crate) acknowledged: Vec<ClientMessage>,
    pub(crate) visit: Option<VisitView>,
    pub(crate) queue: Option<QueueView>,
    pub(crate) chat: BTreeMap<(VisitId, u32), String>,
    /// How far each visit has come, by what was acknowledged.
    ranks: BTreeMap<VisitId, u8>,
    /// What is wrong, unless what was acknowledged about it was parked.
    pub(crate) suspects: Vec<(Option<VisitId>, String)>,
    pub(crate) has_media: bool,
    pub(crate) offered: Option<CommandId>,
    /// Their visit is over, or they left: they do not come back by themselves.
    pub(crate) gone: bool,
}

impl Person {
    pub(crate) fn new(n: usize, room: usize, role: Role, secret: String, visit_id: Option<VisitId>) -> Self {
        Self {
            n,
            room,
            role,
            secret,
            visit_id,
            foreign: Vec::new(),
            resume: None,
            welcomed: false,
            unanswered: Vec::new(),
            acknowledged: Vec::new(),
            visit: None,
            queue: None,
            chat: BTreeMap::new(),
            ranks: BTreeMap::new(),
            suspects: Vec::new(),
            has_media: false,
            offered: None,
            gone: false,
        }
    }

    /// Whether the store knows of what their link leads to.
    pub(crate) fn is_recorded(&self, world: &World) -> bool {
        let (tenant, room) = crate::world::ROOMS[self.room];
        let stream =
            self.visit_id.map_or(("waiting-room", tenant, room.0), |visit| ("visit", tenant, visit.0));
        world.site.ledger.recorded.lock().events.contains_key(&stream)
    }

    /// What this person does next, if anything.
    pub(crate) fn act(&mut self, sim: &Sim) -> Option<ClientMessage> {
        let (id, roll) = sim.draw(|random| (CommandId(random.uuid()), random.below(100)));
        let message = match self.role {
            Role::Clinician => self.lead(sim, id, roll),
            _ => self.take_part(sim, id, roll),
        }?;
        if let ClientMessage::Offer { id, .. } = &message {
            self.offered = Some(*id);
        } else if message.id().is_some() {
            self.unanswered.push((message.clone(), Instant::now()));
        }
        Some(message)
    }

    pub(crate) fn wish(&self) -> MediaWish {
        let queue = self.queue.as_ref().map(|queue| queue.media);
        self.visit.as_ref().map(|visit| visit.media).or(queue).unwrap_or(MediaWish::Idle)
    }

    pub(crate) fn offer(&self, id: CommandId) -> Option<ClientMessage> {
        let wanted = self.wish() != MediaWish::Idle && self.offered.is_none();
        wanted.then(|| ClientMessage::Offer { id, sdp: "v=0".into(), restart: false })
    }

    fn words(&self, id: CommandId) -> String {
        format!("{id} {}", crate::world::tag(self.room))
    }

    fn take_part(&self, sim: &Sim, id: CommandId, roll: u64) -> Option<ClientMessage> {
        let visit = self.visit_id?;
        let devices = DeviceHealth::default();
        match (&self.visit.as_ref()?.phase, roll) {
            (PhaseView::Booked, 0..70) => {
                Some(ClientMessage::CheckIn { id, modality: Modality::Video, devices })
            }
            (_, 0..20) if !self.has_media => self.offer(id),
            (_, 20..23) => Some(ClientMessage::Leave { id }),
            (_, 23..30) => Some(ClientMessage::MediaState { microphone: true, camera: sim.chance(50) }),
            (PhaseView::InCall { .. }, 30..40) => Some(ClientMessage::ShareRequest { id, visit }),
            (PhaseView::Ended { .. }, _) => None,
            (_, 40..80) => Some(ClientMessage::Chat { id, visit, text: self.words(id).into() }),
            _ => None,
        }
    }

    fn lead(&self, sim: &Sim, id: CommandId, roll: u64) -> Option<ClientMessage> {
        let waiting: Vec<_> = waiting(self.queue.as_ref()?);
        let pick = || sim.draw(|random| random.pick(&waiting));
        if !self.has_media && roll < 20 {
            return self.offer(id);
        }
        if let Some(call) = &self.visit {
            let visit = call.id;
            return match roll {
                0..20 => Some(ClientMessage::End { id, visit, outcome: Outcome::Done }),
                20..60 => Some(ClientMessage::Chat { id, visit, text: self.words(id).into() }),
                60..75 => {
                    let participant = *call.share_requests.first()?;
                    Some(ClientMessage::ShareGrant { id, visit, participant })
                }
                75..80 => Some(ClientMessage::Admit { id, visit: pick()? }),
                80..83 => Some(ClientMessage::Leave { id }),
                _ => None,
            };
        }
        match roll {
            20..60 => Some(ClientMessage::Admit { id, visit: pick()? }),
            60..64 => Some(ClientMessage::Deny { id, visit: pick()?, reason: "Not today.".into() }),
            64..67 => Some(ClientMessage::End { id, visit: pick()?, outcome: Outcome::PatientAbsent }),
            67..80 => Some(ClientMessage::Chat { id, visit: pick()?, text: self.words(id).into() }),
            _ => None,
        }
    }

    pub(crate) fn hear(&mut self, world: &World, text: &str) {
        let sim = &*world.site.sim;
        if let Some(word) = self.foreign.iter().find(|word| text.contains(word.as_str())) {
            sim.fail(format!("person {} heard {word}, which is not theirs to know", self.n));
        }
        let message: ServerMessage = match serde_json::from_str(text) {
            Ok(message) => message,
            Err(error) => return sim.fail(format!("person {} heard what is no message: {error}", self.n)),
        };
        match message {
            ServerMessage::Welcome { resume_token, .. } => {
                self.welcomed = true;
                self.resume = Some(resume_token);
                sim.tell(|| format!("person {} is welcome", self.n));
            }
            ServerMessage::Visit { visit } => {
                if let Some(visit) = &visit {
                    self.look(world, visit.id, &visit.phase);
                }
                self.visit = visit.map(|visit| *visit);
            }
            ServerMessage::Queue { queue } => {
                for entry in &queue.entries {
                    self.look(world, entry.visit, &entry.phase);
                }
                self.queue = Some(queue);
            }
            ServerMessage::Chat { visit, message } => {
                self.chat.insert((visit, message.seq), message.text.expose().clone());
            }
            ServerMessage::ChatHistory { visit, messages } => {
                let messages =
                    messages.iter().map(|message| ((visit, message.seq), message.text.expose().clone()));
                self.chat.extend(messages);
            }
            ServerMessage::Answer { re, .. } if self.offered == Some(re) => {
                (self.offered, self.has_media) = (None, true);
            }
            ServerMessage::MediaClosed => self.has_media = false,
            ServerMessage::Ok { re } | ServerMessage::Invited { re, .. } => self.acknowledged(sim, re),
            ServerMessage::Error { re: Some(re), code, .. } => {
                if self.offered == Some(re) {
                    self.offered = None;
                }
                // Could not be saved just now: it is said again with the same id, after a while.
                if code != ErrorCode::Unavailable {
                    self.unanswered.retain(|(message, _)| message.id() != Some(re));
                }
            }
            _ => {}
        }
    }

    fn acknowledged(&mut self, sim: &Sim, re: CommandId) {
        let Some(at) = self.unanswered.iter().position(|(message, _)| message.id() == Some(re)) else {
            return;
        };
        let (message, _) = self.unanswered.remove(at);
        sim.count("acknowledged");
        sim.tell(|| format!("person {} has {re} acknowledged", self.n));
        let reached = match &message {
            ClientMessage::CheckIn { .. } => self.visit_id.map(|visit| (visit, 1)),
            ClientMessage::Admit { visit, .. } => Some((*visit, 2)),
            ClientMessage::Deny { visit, .. } | ClientMessage::End { visit, .. } => Some((*visit, 3)),
            _ => None,
        };
        if let Some((visit, rank)) = reached {
            let newest = self.ranks.entry(visit).or_default();
            *newest = rank.max(*newest);
        }
        self.gone |= matches!(message, ClientMessage::Leave { .. }) && self.role != Role::Clinician;
        self.acknowledged.push(message);
    }

    /// A view never shows less than what this person was told is done; except that an owner which cannot reach the store
    /// goes on, and cannot know that it is none.
    fn look(&mut self, world: &World, visit: VisitId, phase: &PhaseView) {
        let (sees, knows) = (rank(phase), self.ranks.get(&visit).copied().unwrap_or(0));
        if sees < knows && world.store_is_reached() {
            let what = format!(
                "person {} sees visit {visit} in {phase:?}, and was told it had come further",
                self.n
            );
            self.suspects.push((Some(visit), what));
        }
    }

    pub(crate) fn cut(&mut self) {
        self.welcomed = false;
        self.offered = None;
    }
}

pub(crate) const fn rank(phase: &PhaseView) -> u8 {
    match phase {
        PhaseView::Booked => 0,
        PhaseView::Waiting { .. } => 1,
        PhaseView::InCall { .. } => 2,
        PhaseView::Ended { .. } => 3,
    }
}

pub(crate) fn waiting(queue: &QueueView) -> Vec<VisitId> {
    let waits = queue.entries.iter().filter(|entry| matches!(entry.phase, PhaseView::Waiting { .. }));
    waits.map(|entry| entry.visit).collect()
}
