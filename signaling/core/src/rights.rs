//! Which right each message takes. Who has it is the [`policy`] crate's table.
//!
//! Judged here is the seat: its role, its waiting room, its own visit. Whether somebody else's visit that a message names
//! exists, and whether the moment fits, are judged where the visit is known.

use crate::rejection::Rejection;
use model::Timestamp;
pub use policy::Kind;
use policy::{Participant, Place, Subject};
use signaling_protocol::ClientMessage;

/// What a message asks for; `None` for `hello`, which a token judges.
#[must_use]
pub const fn of(message: &ClientMessage) -> Option<Kind> {
    Some(match message {
        ClientMessage::Hello { .. } => return None,
        ClientMessage::Devices { .. } | ClientMessage::MediaState { .. } | ClientMessage::Ping { .. } => {
            Kind::Report
        }
        ClientMessage::Offer { .. } => Kind::ConnectMedia,
        ClientMessage::CheckIn { .. } => Kind::CheckIn,
        ClientMessage::Leave { .. } => Kind::Leave,
        ClientMessage::Chat { .. } => Kind::Chat,
        ClientMessage::ShareRequest { .. } | ClientMessage::ShareStop { .. } => Kind::Share,
        ClientMessage::ShareGrant { .. } => Kind::DirectShare,
        ClientMessage::Admit { .. }
        | ClientMessage::Deny { .. }
        | ClientMessage::End { .. }
        | ClientMessage::Invite { .. } => Kind::Lead,
    })
}

/// May the holder of a seat do that there?
///
/// # Errors
/// [`Rejection::NotAllowed`] unless the table says so.
pub fn permit(seat: Participant, kind: Kind, now: Timestamp) -> Result<(), Rejection> {
    let Participant { tenant, waiting_room, visit, .. } = seat;
    let place = Place { visit, ..Place::waiting_room(tenant, waiting_room) };
    policy::judge(&Subject::Participant(seat), kind, place, now).map_err(|_| Rejection::NotAllowed)
}
