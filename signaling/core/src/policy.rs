//! Who may do what: one table, one function, deny by default.
//!
//! It judges the *role*. Whose visit it is (a patient has but one, a stranger's is not found) and
//! whether the moment fits are judged where the visit is known.

use crate::rejection::Rejection;
use model::Role;
use signaling_protocol::ClientMessage;

/// Something a connection may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Say what one's own devices, microphone and camera do; ask whether the server is there.
    Report,
    /// Connect media, where the visit wishes it.
    ConnectMedia,
    /// Enter the queue.
    CheckIn,
    /// Leave.
    Leave,
    /// Read and write the chat.
    Chat,
    /// Share one's own screen, or stop.
    Share,
    /// Decide on somebody else's screen.
    DirectShare,
    /// See the queue; admit, deny, end, invite.
    Lead,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 8] = [
        Self::Report,
        Self::ConnectMedia,
        Self::CheckIn,
        Self::Leave,
        Self::Chat,
        Self::Share,
        Self::DirectShare,
        Self::Lead,
    ];

    /// What a message asks for; `None` for `hello`, which a token judges.
    #[must_use]
    pub const fn of(message: &ClientMessage) -> Option<Self> {
        Some(match message {
            ClientMessage::Hello { .. } => return None,
            ClientMessage::Devices { .. } | ClientMessage::MediaState { .. } | ClientMessage::Ping { .. } => {
                Self::Report
            }
            ClientMessage::Offer { .. } => Self::ConnectMedia,
            ClientMessage::CheckIn { .. } => Self::CheckIn,
            ClientMessage::Leave { .. } => Self::Leave,
            ClientMessage::Chat { .. } => Self::Chat,
            ClientMessage::ShareRequest { .. } | ClientMessage::ShareStop { .. } => Self::Share,
            ClientMessage::ShareGrant { .. } => Self::DirectShare,
            ClientMessage::Admit { .. }
            | ClientMessage::Deny { .. }
            | ClientMessage::End { .. }
            | ClientMessage::Invite { .. } => Self::Lead,
        })
    }
}

/// The table. What is not in it is not allowed.
const RIGHTS: [(Role, &[Action]); 6] = {
    use Action::{Chat, CheckIn, ConnectMedia, DirectShare, Lead, Leave, Report, Share};
    [
        (Role::Patient, &[Report, ConnectMedia, CheckIn, Leave, Chat, Share]),
        (Role::Clinician, &[Report, ConnectMedia, Leave, Chat, Share, DirectShare, Lead]),
        (Role::Interpreter, &[Report, ConnectMedia, Leave, Chat]),
        (Role::Caregiver, &[Report, ConnectMedia, Leave, Chat]),
        (Role::Device, &[Report, ConnectMedia, Leave]),
        (Role::Observer, &[Report, ConnectMedia, Leave]),
    ]
};

/// May this role do that?
///
/// # Errors
/// [`Rejection::NotAllowed`] unless the table says so.
pub fn permit(role: Role, action: Action) -> Result<(), Rejection> {
    let allowed = RIGHTS.iter().any(|(of, actions)| *of == role && actions.contains(&action));
    if allowed { Ok(()) } else { Err(Rejection::NotAllowed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every action a role has, written out a second time: a change of the table is a decision.
    #[test]
    fn every_role_may_do_exactly_this() {
        let table: Vec<String> = Role::ALL
            .iter()
            .map(|role| {
                let may = Action::ALL.iter().filter(|action| permit(*role, **action).is_ok());
                format!("{role:?}: {:?}", may.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(
            table,
            [
                "Patient: [Report, ConnectMedia, CheckIn, Leave, Chat, Share]",
                "Clinician: [Report, ConnectMedia, Leave, Chat, Share, DirectShare, Lead]",
                "Interpreter: [Report, ConnectMedia, Leave, Chat]",
                "Caregiver: [Report, ConnectMedia, Leave, Chat]",
                "Device: [Report, ConnectMedia, Leave]",
                "Observer: [Report, ConnectMedia, Leave]",
            ]
        );
    }
}
