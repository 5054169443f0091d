//! Who somebody is in a visit.

use serde::{Deserialize, Serialize};

/// A participant's role. What each may do is decided in one place: the `policy` crate's table.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    ts_rs::TS,
)]
#[serde(rename_all = "kebab-case")]
#[ts(export_to = "model.ts")]
pub enum Role {
    /// The person the visit is about.
    Patient,
    /// The practitioner who admits, leads and ends the visit.
    Clinician,
    /// Interprets between patient and clinician.
    Interpreter,
    /// Accompanies the patient: family, guardian, carer.
    Caregiver,
    /// A camera, scope or monitor that publishes and does not talk.
    Device,
    /// Sees and hears, is not seen or heard: a trainee, with consent.
    Observer,
}

impl Role {
    /// Every role, for tables and tests that must not forget one.
    pub const ALL: [Self; 6] =
        [Self::Patient, Self::Clinician, Self::Interpreter, Self::Caregiver, Self::Device, Self::Observer];
}
