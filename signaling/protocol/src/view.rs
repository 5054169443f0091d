//! Projections: what each role may see of a visit and of a queue.

use model::{ParticipantId, Phi, Role, Timestamp, VisitId};
use serde::{Deserialize, Serialize};

/// Picture and sound, or sound only.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS,
)]
#[serde(rename_all = "kebab-case")]
#[ts(export_to = "view.ts")]
pub enum Modality {
    /// Camera and microphone.
    Video,
    /// Microphone only.
    Sound,
}

/// How one device does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS,
)]
#[serde(rename_all = "kebab-case")]
#[ts(export_to = "view.ts")]
pub enum Health {
    /// Not tested yet.
    #[default]
    Unknown,
    /// Works.
    Good,
    /// Works, with difficulty: quiet microphone, slow network.
    Weak,
    /// Blocked by a permission.
    Blocked,
    /// In use by another application.
    Busy,
    /// There is none.
    Missing,
    /// Turned off on purpose (sound only).
    Off,
}

/// What the device test found. Shown to the clinician beside the name.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS,
)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct DeviceHealth {
    /// Microphone.
    pub microphone: Health,
    /// Camera.
    pub camera: Health,
    /// Speaker, as the person says.
    pub speaker: Health,
    /// Path to the media server: `good` once the warm connection is up.
    pub network: Health,
}

/// How a visit ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS,
)]
#[serde(rename_all = "kebab-case")]
#[ts(export_to = "view.ts")]
pub enum Outcome {
    /// The consultation took place.
    Done,
    /// Technology failed.
    TechnicalFailure,
    /// The patient was not there.
    PatientAbsent,
    /// The clinician did not admit; the reason is in the view.
    Denied,
    /// The patient left the waiting room.
    PatientLeft,
}

/// Where a visit stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS)]
#[serde(tag = "is", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[ts(export_to = "view.ts")]
pub enum PhaseView {
    /// Not checked in yet.
    Booked,
    /// In the queue.
    Waiting {
        /// Since when; a reload or restart does not change it.
        since: Timestamp,
        /// People before this one.
        ahead: u32,
        /// An honest range, minutes; `null` when there is nothing to base it on.
        minutes: Option<(u32, u32)>,
    },
    /// Talking.
    InCall {
        /// Since when.
        started_at: Timestamp,
    },
    /// Over.
    Ended {
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
        /// The reason given when denied.
        #[serde(serialize_with = "expose_option")]
        #[ts(type = "string | null")]
        reason: Option<Phi<String>>,
    },
}

fn expose_option<S: serde::Serializer>(value: &Option<Phi<String>>, s: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(Phi::expose).serialize(s)
}

/// What the client should do about media. The server decides; the client follows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS,
)]
#[serde(rename_all = "kebab-case")]
#[ts(export_to = "view.ts")]
pub enum MediaWish {
    /// No connection.
    Idle,
    /// Connect and wait: nothing you send is heard (a warm seat, and the path test).
    Warm,
    /// You are in the room.
    Live,
}

/// One person in a visit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ParticipantView {
    /// Who.
    pub id: ParticipantId,
    /// In which role.
    pub role: Role,
    /// Their name, as this viewer may see it.
    #[serde(serialize_with = "model::phi::expose")]
    #[ts(type = "string")]
    pub name: Phi<String>,
    /// Has a signaling connection now.
    pub connected: bool,
    /// Since when they are gone, if they are.
    pub away_since: Option<Timestamp>,
    /// Microphone is on.
    pub microphone: bool,
    /// Camera is on.
    pub camera: bool,
    /// Their browser can share a screen.
    pub can_share_screen: bool,
}

/// The clinic, as it presents itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ClinicView {
    /// Its name: the brand on every page.
    pub name: String,
    /// Its telephone number: never more than one glance away.
    pub phone: String,
}

/// A visit as one participant may see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct VisitView {
    /// Which.
    pub id: VisitId,
    /// The clinic.
    pub clinic: ClinicView,
    /// The practitioner's display name.
    #[serde(serialize_with = "model::phi::expose")]
    #[ts(type = "string")]
    pub practitioner: Phi<String>,
    /// What it is about.
    #[serde(serialize_with = "model::phi::expose")]
    #[ts(type = "string")]
    pub reason: Phi<String>,
    /// The appointment's time, if it has one.
    pub scheduled_at: Option<Timestamp>,
    /// Where it stands.
    pub phase: PhaseView,
    /// What to do about media.
    pub media: MediaWish,
    /// Everybody in it, the viewer included.
    pub participants: Vec<ParticipantView>,
    /// Who shares a screen.
    pub sharer: Option<ParticipantId>,
    /// Who asked to.
    pub share_requests: Vec<ParticipantId>,
}

/// One line of the clinician's queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct QueueEntry {
    /// Which visit.
    pub visit: VisitId,
    /// The patient.
    pub participant: ParticipantId,
    /// Their name.
    #[serde(serialize_with = "model::phi::expose")]
    #[ts(type = "string")]
    pub name: Phi<String>,
    /// What it is about.
    #[serde(serialize_with = "model::phi::expose")]
    #[ts(type = "string")]
    pub reason: Phi<String>,
    /// The appointment's time, if it has one.
    pub scheduled_at: Option<Timestamp>,
    /// Where the visit stands.
    pub phase: PhaseView,
    /// Picture and sound or sound only, once checked in.
    pub modality: Option<Modality>,
    /// What their device test found.
    pub devices: DeviceHealth,
    /// Has a connection now.
    pub connected: bool,
    /// Since when they are gone, if they are. The place is kept.
    pub away_since: Option<Timestamp>,
    /// Since when the front desk looks after this wait too, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub escalated_at: Option<Timestamp>,
    /// From which place of the visit's stream on everything is saved on the server's own disk only, if anything is:
    /// chat messages with this `seq` or a later one are not recorded yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub unrecorded_from: Option<u32>,
}

/// A clinician's queue: waiting in order of arrival first, then in a call, then booked, then the last
/// few that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct QueueView {
    /// The clinic.
    pub clinic: ClinicView,
    /// The practitioner's display name.
    #[serde(serialize_with = "model::phi::expose")]
    #[ts(type = "string")]
    pub practitioner: Phi<String>,
    /// The lines, at most 300; `more` counts the rest.
    pub entries: Vec<QueueEntry>,
    /// How many lines are not shown.
    pub more: u32,
    /// What to do about media between visits: a clinician who is present is connected too.
    pub media: MediaWish,
    /// Something of the waiting room is saved on the server's own disk only, because the database is away. It is
    /// recorded by itself. Absent when there is nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[ts(optional, as = "Option<bool>")]
    pub unrecorded: bool,
}

/// Something said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema, ts_rs::TS)]
#[serde(rename_all = "camelCase")]
#[ts(export_to = "view.ts")]
pub struct ChatMessage {
    /// Its place in the visit's stream: orders messages, and makes repeats visible.
    pub seq: u32,
    /// Who said it.
    pub from: ParticipantId,
    /// In which role.
    pub role: Role,
    /// When it was recorded.
    pub at: Timestamp,
    /// What was said.
    #[serde(serialize_with = "model::phi::expose")]
    #[ts(type = "string")]
    pub text: Phi<String>,
}
