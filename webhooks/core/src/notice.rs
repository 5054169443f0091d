//! What a partner's system is told: that something happened to a visit. Ids, times and an outcome; whatever else it may know,
//! it asks for with its key.

use model::{TenantId, Timestamp, VisitId, WaitingRoomId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr};

/// Version of what is sent. Fields are added without a new one: a receiver ignores what it does not know.
pub const VERSION: u8 = 1;

/// Kinds of events.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema,
)]
#[schemars(rename = "WebhookEvent")]
pub enum Kind {
    /// A patient is ready, and waits.
    #[serde(rename = "visit.checked-in")]
    CheckedIn,
    /// The consultation begins.
    #[serde(rename = "visit.admitted")]
    Admitted,
    /// It is over, or was denied.
    #[serde(rename = "visit.ended")]
    Ended,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::CheckedIn, Self::Admitted, Self::Ended];

    /// As it is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CheckedIn => "visit.checked-in",
            Self::Admitted => "visit.admitted",
            Self::Ended => "visit.ended",
        }
    }
}

/// What an event of a visit's record says, if partners are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub kind: Kind,
    /// How it went, of one that is over.
    pub outcome: Option<String>,
    /// Where, if this event says so.
    pub waiting_room: Option<WaitingRoomId>,
}

impl Told {
    /// Reads a recorded event: its name and its body, which has no PHI. Nothing, for what partners are not told of.
    #[must_use]
    pub fn read(name: &str, body: &str) -> Option<Self> {
        let kind = match name {
            "checked-in" => Kind::CheckedIn,
            "admitted" => Kind::Admitted,
            "ended" | "denied" => Kind::Ended,
            _ => return None,
        };
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let outcome = match name {
            "denied" => Some("denied".to_owned()),
            _ => body["outcome"].as_str().map(str::to_owned),
        };
        let waiting_room = body["waitingRoom"].as_str().and_then(|room| room.parse().ok());
        Some(Self { kind, outcome: outcome.filter(|_| kind == Kind::Ended), waiting_room })
    }
}

/// An event as it is kept for a unit's webhooks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// What happened.
    pub kind: Kind,
    /// To which visit.
    pub visit: VisitId,
    /// The event's number in the visit's record.
    pub version: u64,
    /// In which waiting room.
    pub waiting_room: Option<WaitingRoomId>,
    /// When.
    pub at: Timestamp,
    /// When it was noted for webhooks: never earlier than the one before it.
    pub noted: Timestamp,
    /// How it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

/// An event's id, the same whenever and to whomever it is sent: its place among the unit's events, and a digest of what it is
/// of. Ids sort as the events are sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventId {
    place: u64,
    digest: u64,
}

impl EventId {
    /// Its place among the unit's events.
    #[must_use]
    pub const fn place(self) -> u64 {
        self.place
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{:016x}{:016x}", self.place, self.digest)
    }
}

/// It is no event's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an event")]
pub struct NoEvent;

impl FromStr for EventId {
    type Err = NoEvent;

    fn from_str(text: &str) -> Result<Self, NoEvent> {
        let digits = text.strip_prefix("evt_").filter(|digits| digits.len() == 32 && digits.is_ascii());
        let part = |range| u64::from_str_radix(&digits.ok_or(NoEvent)?[range], 16).map_err(|_| NoEvent);
        let id = Self { place: part(0..16)?, digest: part(16..32)? };
        // Written as we write it, and in no other way.
        if id.to_string() == text { Ok(id) } else { Err(NoEvent) }
    }
}

#[derive(Serialize)]
struct Sent<'a> {
    version: u8,
    id: String,
    #[serde(rename = "type")]
    kind: Kind,
    timestamp: String,
    unit: TenantId,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    visit: VisitId,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_room: Option<WaitingRoomId>,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
}

impl Notice {
    /// Its id, at a place among the events of a unit.
    #[must_use]
    pub fn id(&self, tenant: TenantId, place: u64) -> EventId {
        let mut digest = Sha256::new();
        digest.update(b"telehealth webhook event");
        digest.update(tenant.0.as_bytes());
        digest.update(self.visit.0.as_bytes());
        digest.update(self.version.to_be_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest.finalize()[..8]);
        EventId { place, digest: u64::from_be_bytes(first) }
    }

    /// What is sent: the same bytes each time.
    #[must_use]
    pub fn body(&self, tenant: TenantId, place: u64) -> String {
        let Self { kind, visit, waiting_room, at, outcome, .. } = self;
        let sent = Sent {
            version: VERSION,
            id: self.id(tenant, place).to_string(),
            kind: *kind,
            timestamp: jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default().to_string(),
            unit: tenant,
            data: Data { visit: *visit, waiting_room: *waiting_room, at: *at, outcome: outcome.as_deref() },
        };
        serde_json::to_string(&sent).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const UNIT: TenantId = TenantId(Uuid::from_u128(1));

    fn notice() -> Notice {
        Notice {
            kind: Kind::Ended,
            visit: VisitId(Uuid::from_u128(3)),
            version: 9,
            waiting_room: Some(WaitingRoomId(Uuid::from_u128(2))),
            at: Timestamp(1_790_000_000_123),
            noted: Timestamp(1_790_000_000_456),
            outcome: Some("done".to_owned()),
        }
    }

    #[test]
    fn what_is_sent_is_documented_and_stays_as_it_is() {
        let body = notice().body(UNIT, 7);
        assert_eq!(
            body,
            "{\"version\":1,\"id\":\"evt_0000000000000007173c4c64ae2d1ea3\",\"type\":\"visit.ended\",\
             \"timestamp\":\"2026-09-21T14:13:20.123Z\",\"unit\":\"00000000-0000-0000-0000-000000000001\",\
             \"data\":{\"visit\":\"00000000-0000-0000-0000-000000000003\",\
             \"waitingRoom\":\"00000000-0000-0000-0000-000000000002\",\"at\":1790000000123,\"outcome\":\"done\"}}"
        );
        let document = include_str!("../../../docs/webhooks.md");
        assert!(document.contains(&body), "docs/webhooks.md shows {body}");
    }

    #[test]
    fn what_partners_are_told_of_is_read_and_nothing_else() {
        let told = |name, body| Told::read(name, body).map(|told| (told.kind, told.outcome));
        assert_eq!(told("checked-in", r#"{"modality":"video"}"#), Some((Kind::CheckedIn, None)));
        assert_eq!(told("admitted", "{}"), Some((Kind::Admitted, None)));
        assert_eq!(told("ended", r#"{"outcome":"done"}"#), Some((Kind::Ended, Some("done".to_owned()))));
        assert_eq!(told("denied", "{}"), Some((Kind::Ended, Some("denied".to_owned()))));
        for name in ["booked", "said", "left", "seat-taken", "share-granted", ""] {
            assert_eq!(told(name, r#"{"outcome":"done"}"#), None, "{name}");
        }
        let room = Uuid::from_u128(7);
        let ended = Told::read("ended", &format!(r#"{{"outcome":"done","waitingRoom":"{room}"}}"#)).unwrap();
        assert_eq!(ended.waiting_room, Some(WaitingRoomId(room)));
    }

    #[test]
    fn an_id_is_the_same_each_time_and_another_for_each_event_and_sorts_as_they_are_sent() {
        let one = notice();
        let later = Notice { version: 10, ..one.clone() };
        assert_eq!(one.id(UNIT, 7), one.id(UNIT, 7));
        assert!(one.id(UNIT, 7).to_string() < later.id(UNIT, 8).to_string());
        assert_ne!(one.id(UNIT, 7).digest, later.id(UNIT, 7).digest);
        assert_ne!(one.id(UNIT, 7).digest, one.id(TenantId(Uuid::from_u128(2)), 7).digest);
        assert!(!one.id(UNIT, 7).to_string().contains('.'), "signatures separate by it");
    }

    proptest! {
        #[test]
        fn an_id_is_what_we_write_and_nothing_else(text in "(evt_)?[0-9a-f+]{0,40}|.{0,40}", place: u64, digest: u64) {
            if let Ok(id) = text.parse::<EventId>() {
                prop_assert_eq!(id.to_string(), text);
            }
            let id = EventId { place, digest };
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn any_record_is_read_without_a_panic(name in "[a-z-]{0,12}", body in ".{0,60}") {
            let _ = Told::read(&name, &body);
        }
    }
}
