//! Projections: what each role may see. Nobody sees what is not theirs.

use crate::{
    limits,
    queue::Queue,
    visit::{Booked, Phase, Visit},
    waiting_room::Opened,
};
use model::{ParticipantId, Role, Timestamp};
use signaling_protocol::view::{
    DeviceHealth, MediaWish, ParticipantView, PhaseView, QueueEntry, QueueView, VisitView,
};

/// What is known of a participant besides the log: the newest word of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Presence {
    /// Has a signaling connection now.
    pub connected: bool,
    /// Since when they are gone, if they were here.
    pub away_since: Option<Timestamp>,
    /// Microphone is on.
    pub microphone: bool,
    /// Camera is on.
    pub camera: bool,
    /// Their browser can share a screen.
    pub can_share_screen: bool,
    /// What their device test found last.
    pub devices: Option<DeviceHealth>,
}

/// Everything a view is made from.
pub struct Scene<'a, P: Fn(ParticipantId) -> Presence> {
    /// The waiting room.
    pub opened: &'a Opened,
    /// Its queue.
    pub queue: &'a Queue,
    /// Somebody is there to admit.
    pub clinician_present: bool,
    /// Who is connected.
    pub presence: P,
}

impl<P: Fn(ParticipantId) -> Presence> std::fmt::Debug for Scene<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scene").finish_non_exhaustive()
    }
}

impl<P: Fn(ParticipantId) -> Presence> Scene<'_, P> {
    /// A visit as one of its participants may see it. `None` before it is booked, and for strangers.
    #[must_use]
    pub fn visit(&self, visit: &Visit, viewer: ParticipantId, media: MediaWish) -> Option<VisitView> {
        let booked = visit.booked()?;
        if viewer != booked.patient && viewer != self.opened.clinician {
            return None;
        }
        Some(VisitView {
            id: visit.id(),
            clinic: self.opened.clinic.clone(),
            practitioner: self.opened.practitioner.clone(),
            reason: booked.reason.clone(),
            scheduled_at: booked.scheduled_at,
            phase: self.phase(visit),
            media,
            participants: self.participants(visit, booked),
            sharer: visit.screen().sharer(),
            share_requests: visit.screen().requests().to_vec(),
        })
    }

    /// The clinician's queue: waiting first, then in course, then booked, then the last that ended.
    #[must_use]
    pub fn queue<'v>(&self, visits: impl Iterator<Item = &'v Visit>, media: MediaWish) -> QueueView {
        let mut lines: Vec<_> = visits.filter(|v| v.booked().is_some()).map(|v| (rank(v), v)).collect();
        lines.sort_unstable_by_key(|(rank, visit)| (*rank, visit.id()));
        let over = lines.iter().filter(|(rank, _)| rank.0 == ENDED).count();
        lines.truncate(lines.len() - over.saturating_sub(limits::ENDED_LINES));
        let more = lines.len().saturating_sub(limits::MAX_QUEUE_LINES);
        lines.truncate(limits::MAX_QUEUE_LINES);
        QueueView {
            clinic: self.opened.clinic.clone(),
            practitioner: self.opened.practitioner.clone(),
            entries: lines.iter().filter_map(|(_, visit)| self.line(visit)).collect(),
            more: u32::try_from(more).unwrap_or(u32::MAX),
            media,
            unrecorded: false,
        }
    }

    fn line(&self, visit: &Visit) -> Option<QueueEntry> {
        let booked = visit.booked()?;
        let presence = (self.presence)(booked.patient);
        let (modality, devices, escalated_at) = match visit.phase() {
            Phase::Booked | Phase::Ended { .. } => (None, None, None),
            Phase::Waiting(wait) => (Some(wait.modality), Some(wait.devices), wait.escalated_at()),
            Phase::InCall(call) => (Some(call.modality), Some(call.devices), None),
        };
        Some(QueueEntry {
            visit: visit.id(),
            participant: booked.patient,
            name: booked.name.clone(),
            reason: booked.reason.clone(),
            scheduled_at: booked.scheduled_at,
            phase: self.phase(visit),
            modality,
            devices: presence.devices.or(devices).unwrap_or_default(),
            connected: presence.connected,
            away_since: presence.away_since,
            escalated_at,
            unrecorded_from: None,
        })
    }

    fn phase(&self, visit: &Visit) -> PhaseView {
        match visit.phase() {
            Phase::Booked => PhaseView::Booked,
            Phase::Waiting(wait) => {
                let ahead = self.queue.ahead(visit.id()).unwrap_or(0);
                PhaseView::Waiting {
                    since: wait.since,
                    ahead: u32::try_from(ahead).unwrap_or(u32::MAX),
                    minutes: self.queue.minutes(ahead, self.clinician_present),
                }
            }
            Phase::InCall(call) => PhaseView::InCall { started_at: call.started_at },
            Phase::Ended { at, outcome, reason, .. } => {
                PhaseView::Ended { at: *at, outcome: *outcome, reason: reason.clone() }
            }
        }
    }

    /// The patient and the practitioner. Outside the call the practitioner is present or not, and
    /// nothing more: what they do with somebody else is not this patient's to see.
    fn participants(&self, visit: &Visit, booked: &Booked) -> Vec<ParticipantView> {
        let in_call = matches!(visit.phase(), Phase::InCall(_));
        let there = |participant| {
            let presence = (self.presence)(participant);
            let left = visit.seats().has_left(participant);
            Presence { connected: presence.connected && !left, ..presence }
        };
        let clinician = if in_call {
            there(self.opened.clinician)
        } else {
            Presence { connected: self.clinician_present, ..Presence::default() }
        };
        let sees = |id, role, name: &model::Phi<String>, presence: Presence| ParticipantView {
            id,
            role,
            name: name.clone(),
            connected: presence.connected,
            away_since: presence.away_since,
            microphone: presence.microphone,
            camera: presence.camera,
            can_share_screen: presence.can_share_screen,
        };
        vec![
            sees(booked.patient, Role::Patient, &booked.name, there(booked.patient)),
            sees(self.opened.clinician, Role::Clinician, &self.opened.practitioner, clinician),
        ]
    }
}

const WAITING: u8 = 0;
const IN_CALL: u8 = 1;
const BOOKED: u8 = 2;
const ENDED: u8 = 3;

/// Where a line stands in the queue.
fn rank(visit: &Visit) -> (u8, i64) {
    match visit.phase() {
        Phase::Waiting(wait) => (WAITING, wait.since.as_millis()),
        Phase::InCall(call) => (IN_CALL, call.started_at.as_millis()),
        Phase::Booked => {
            let scheduled = visit.booked().and_then(|booked| booked.scheduled_at);
            (BOOKED, scheduled.unwrap_or_else(|| visit.booked_at()).as_millis())
        }
        Phase::Ended { at, .. } => (ENDED, at.as_millis().saturating_neg()),
    }
}
