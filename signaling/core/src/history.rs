//! What is left of a visit when it is over: one line in the history of its waiting room.

use crate::{
    codec::{DecodeError, Stored, decode_visit},
    visit::{Booked, Event},
};
use model::{Phi, Timestamp, VisitId};
use serde::Serialize;
use signaling_protocol::view::Outcome;

/// A visit that is over.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PastVisit")]
pub struct Past {
    /// Which.
    pub visit: VisitId,
    /// The patient's name.
    #[serde(serialize_with = "model::phi::expose")]
    pub name: Phi<String>,
    /// What it was about.
    #[serde(serialize_with = "model::phi::expose")]
    pub reason: Phi<String>,
    /// The appointment's time, if it had one.
    pub scheduled_at: Option<Timestamp>,
    /// When it was booked.
    pub booked_at: Timestamp,
    /// When the patient was ready, if they ever were.
    pub checked_in_at: Option<Timestamp>,
    /// When the consultation began, if it did.
    pub admitted_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Timestamp,
    /// How it went.
    pub outcome: Outcome,
}

/// Reads a visit's events for what its line needs. Talk and seats, which are most of them, are not decoded.
#[derive(Clone, Debug)]
pub struct Reading {
    visit: VisitId,
    booked: Option<(Timestamp, Booked)>,
    checked_in_at: Option<Timestamp>,
    admitted_at: Option<Timestamp>,
    over: Option<(Timestamp, Outcome)>,
}

impl Reading {
    /// Of this visit nothing was read yet.
    #[must_use]
    pub const fn new(visit: VisitId) -> Self {
        Self { visit, booked: None, checked_in_at: None, admitted_at: None, over: None }
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// It is one that the line needs, and cannot be read.
    pub fn take(&mut self, stored: &Stored) -> Result<(), DecodeError> {
        if !["booked", "checked-in", "admitted", "denied", "ended"].contains(&stored.kind.as_str()) {
            return Ok(());
        }
        let recorded = decode_visit(stored)?;
        let at = recorded.at;
        match recorded.event {
            Event::Booked(booked) => self.booked = Some((at, booked)),
            Event::CheckedIn { .. } => self.checked_in_at = Some(at),
            Event::Admitted { .. } => self.admitted_at = Some(at),
            Event::Denied { .. } => self.over = Some((at, Outcome::Denied)),
            Event::Ended { outcome } => self.over = Some((at, outcome)),
            _ => {}
        }
        Ok(())
    }

    /// The line; none while the visit is not over.
    #[must_use]
    pub fn past(self) -> Option<Past> {
        let (booked_at, Booked { scheduled_at, name, reason, .. }) = self.booked?;
        let (ended_at, outcome) = self.over?;
        let Self { visit, checked_in_at, admitted_at, .. } = self;
        Some(Past {
            visit,
            name,
            reason,
            scheduled_at,
            booked_at,
            checked_in_at,
            admitted_at,
            ended_at,
            outcome,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::encode_visit, link::LinkHash, record::Recorded};
    use model::{ParticipantId, Role, WaitingRoomId};
    use signaling_protocol::view::{DeviceHealth, Health, Modality};
    use uuid::Uuid;

    const VISIT: VisitId = VisitId(Uuid::from_u128(3));
    const SOMEBODY: ParticipantId = ParticipantId(Uuid::from_u128(4));

    /// As they were recorded, one a second.
    fn read(events: Vec<Event>) -> Result<Option<Past>, DecodeError> {
        let mut reading = Reading::new(VISIT);
        for (version, event) in (1..).zip(events) {
            let at = Timestamp(version as i64 * 1_000);
            let recorded = Recorded { at, by: None, command: None, event };
            let encoded = encode_visit(&recorded, WaitingRoomId(Uuid::from_u128(7)));
            let kind = encoded.kind.to_owned();
            let (schema, body, phi) = (encoded.schema, encoded.body, encoded.phi);
            reading.take(&Stored { version, kind, schema, body, phi, at })?;
        }
        Ok(reading.past())
    }

    fn booked() -> Event {
        Event::Booked(Booked {
            waiting_room: WaitingRoomId(Uuid::from_u128(7)),
            patient: SOMEBODY,
            link: LinkHash::of("abc"),
            scheduled_at: Some(Timestamp(500)),
            name: "Ana".into(),
            reason: "Knee".into(),
        })
    }

    fn checked_in() -> Event {
        Event::CheckedIn {
            modality: Modality::Video,
            devices: DeviceHealth {
                microphone: Health::Good,
                camera: Health::Good,
                speaker: Health::Good,
                network: Health::Good,
            },
        }
    }

    #[test]
    fn a_line_says_when_what_happened_and_nothing_that_was_said() {
        let said = Event::Said { from: SOMEBODY, role: Role::Patient, text: "ouch".into() };
        let ended = Event::Ended { outcome: Outcome::Done };
        let events = vec![booked(), checked_in(), Event::Admitted { by: SOMEBODY }, said, ended];
        let past = read(events).unwrap().unwrap();
        let times = [past.booked_at, past.checked_in_at.unwrap(), past.admitted_at.unwrap(), past.ended_at];
        assert_eq!(times, [1, 2, 3, 5].map(|s| Timestamp(s * 1_000)));
        assert_eq!(
            (past.visit, past.outcome, past.scheduled_at),
            (VISIT, Outcome::Done, Some(Timestamp(500)))
        );
        assert_eq!((past.name.expose().as_str(), past.reason.expose().as_str()), ("Ana", "Knee"));
        assert!(!serde_json::to_string(&past).unwrap().contains("ouch"));
        assert!(!format!("{past:?}").contains("Ana"));
    }

    #[test]
    fn whoever_never_came_and_whoever_was_denied_has_a_line_and_who_waits_has_none() {
        let absent = read(vec![booked(), Event::Ended { outcome: Outcome::PatientAbsent }]).unwrap().unwrap();
        assert_eq!((absent.checked_in_at, absent.admitted_at), (None, None));
        let denied = read(vec![booked(), checked_in(), Event::Denied { reason: "Full".into() }]);
        assert_eq!(denied.unwrap().unwrap().outcome, Outcome::Denied);
        assert_eq!(read(vec![booked(), checked_in()]).unwrap(), None);
        assert_eq!(read(vec![]).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_what_is_not_needed_is_not_looked_at() {
        let stored = |kind: &str| Stored {
            version: 1,
            kind: kind.to_owned(),
            schema: 1,
            body: "{".to_owned(),
            phi: None,
            at: Timestamp(1),
        };
        assert!(Reading::new(VISIT).take(&stored("booked")).is_err());
        assert!(Reading::new(VISIT).take(&stored("said")).is_ok());
    }
}
