//! What emergencies, the audit trail and partners' keys say of themselves.

use super::super::{
    audit::{ChainsView, Found},
    emergencies::{Ask, List, Own, Review, View, Which},
    holds::{List as Holds, New as NewHold, View as HoldView},
    partners::{List as PartnerKeys, Made as PartnerKeyMade, Make as NewPartnerKey},
};
use crate::{
    limits::{AUDIT_ROWS_PAGE, EMERGENCIES_PAGE, MAX_BODY_BYTES},
    problems::{
        CONFIRM_FIRST, INVALID, NOT_ALLOWED, OWN_EMERGENCY, REVIEWED_BEFORE, SESSION_LOCKED, SIGNED_OUT,
        TOO_MANY_EMERGENCIES, TOO_MANY_HOLDS, TOO_MANY_PARTNER_KEYS,
    },
};
use model::Timestamp;
use platform::api::{Credential, Operation};
use policy::{EmergencyId, HoldId, PartnerKeyId};
use uuid::Uuid;

const EMERGENCIES: &str = "emergencies";
const AUDIT: &str = "audit";

fn of(tag: &'static str, operation: Operation) -> Operation {
    operation
        .of(tag)
        .needs(Credential::AccessToken)
        .fails(SIGNED_OUT)
        .fails(NOT_ALLOWED)
        .fails(SESSION_LOCKED)
}

pub(super) fn emergencies() -> Vec<Operation> {
    let of = |operation| of(EMERGENCIES, operation);
    let one = |operation: Operation| of(operation).path_part::<EmergencyId>("id", "Which.");
    vec![
        of(Operation::post("/api/v1/emergencies", "Declare an emergency"))
            .details("For clinicians, with a fresh factor. Opens a waiting room's visits to them for an hour, tells whoever \
                reviews, and is shown to the patient.")
            .takes::<Ask>(MAX_BODY_BYTES)
            .answers::<View>(201, "It lasts.")
            .fails(CONFIRM_FIRST)
            .fails(INVALID)
            .fails(TOO_MANY_EMERGENCIES),
        of(Operation::get("/api/v1/emergencies", "List emergencies"))
            .details("The newest first. For those who review.")
            .query::<Which>("which", "Those that last, those to review, or all.")
            .query::<EmergencyId>("after", "The `next` of the page before.")
            .query::<u64>("limit", "On a page.")
            .between(1, EMERGENCIES_PAGE as u64)
            .answers::<List>(200, "A page."),
        of(Operation::get("/api/v1/emergencies/own", "See one's own emergencies"))
            .answers::<Own>(200, "Those that last."),
        one(Operation::get("/api/v1/emergencies/{id}", "Read an emergency"))
            .details("With the reason in its words. For those who review. Recorded for the auditor.")
            .answers::<View>(200, "It."),
        one(Operation::post("/api/v1/emergencies/{id}/end", "Hand an emergency back"))
            .answers_nothing(204, "It is over."),
        one(Operation::post("/api/v1/emergencies/{id}/review", "Review an emergency"))
            .details("Once, and never one's own.")
            .takes::<Review>(MAX_BODY_BYTES)
            .answers::<View>(200, "Reviewed.")
            .fails(CONFIRM_FIRST)
            .fails(INVALID)
            .fails(OWN_EMERGENCY)
            .fails(REVIEWED_BEFORE),
    ]
}

pub(super) fn partner_keys() -> Vec<Operation> {
    let of = |operation| of("partners", operation);
    vec![
        of(Operation::get("/api/v1/partner-keys", "List partners' keys"))
            .details("Those that count and the newest of the others, without what opens. For administrators and auditors.")
            .answers::<PartnerKeys>(200, "The newest first."),
        of(Operation::post("/api/v1/partner-keys", "Make a partner's key"))
            .details("For administrators, with a fresh factor. Sent as `Authorization: Bearer`.")
            .takes::<NewPartnerKey>(MAX_BODY_BYTES)
            .answers::<PartnerKeyMade>(201, "The key, shown this once.")
            .fails(CONFIRM_FIRST)
            .fails(INVALID)
            .fails(TOO_MANY_PARTNER_KEYS),
        of(Operation::delete("/api/v1/partner-keys/{id}", "Revoke a partner's key"))
            .details("For administrators, with a fresh factor.")
            .path_part::<PartnerKeyId>("id", "Which.")
            .answers_nothing(204, "It counts no more; in other processes within a second.")
            .fails(CONFIRM_FIRST),
    ]
}

pub(super) fn audit() -> Vec<Operation> {
    vec![
        of(AUDIT, Operation::get("/api/v1/audit", "Search the audit trail"))
            .details(
                "The newest first. For auditors. That they read is in the trail before they see any of it.",
            )
            .query::<Timestamp>("from", "None before this.")
            .query::<Timestamp>("to", "None after this.")
            .query::<Uuid>("person", "What this person or seat did.")
            .query::<Uuid>("visit", "What was done to this visit, waiting room or person.")
            .query::<String>("action", "`visit.admit`, or all that begins with `visit`.")
            .query::<String>("after", "The `next` of the page before.")
            .query::<u64>("limit", "Rows on a page.")
            .between(1, AUDIT_ROWS_PAGE as u64)
            .answers::<Found>(200, "A page."),
        of(AUDIT, Operation::get("/api/v1/audit/chain", "See whether the trail is whole"))
            .details("For auditors.")
            .answers::<ChainsView>(200, "Each chain, and what is wrong with it."),
        of(AUDIT, Operation::get("/api/v1/audit/holds", "List legal holds"))
            .details("Those in force and the newest of the others, with their reasons. For administrators and auditors. Recorded \
                for the auditor.")
            .answers::<Holds>(200, "The newest first."),
        of(AUDIT, Operation::post("/api/v1/audit/holds", "Place a legal hold"))
            .details("For auditors, with a fresh factor. Rows that it covers, and all behind the first of them, stay although \
                their time is over.")
            .takes::<NewHold>(MAX_BODY_BYTES)
            .answers::<HoldView>(201, "It is in force.")
            .fails(CONFIRM_FIRST)
            .fails(INVALID)
            .fails(TOO_MANY_HOLDS),
        of(AUDIT, Operation::delete("/api/v1/audit/holds/{id}", "Lift a legal hold"))
            .details("For auditors, with a fresh factor.")
            .path_part::<HoldId>("id", "Which.")
            .answers_nothing(204, "What it covered may go when its time is over.")
            .fails(CONFIRM_FIRST),
    ]
}
