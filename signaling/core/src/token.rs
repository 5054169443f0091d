//! What tokens say, and the window in which a join token counts once.
//!
//! Signing and verifying is the shell's business; here stands only what was verified.

use crate::limits;
use model::{Generation, ParticipantId, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use policy::{AccountId, SessionId};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use uuid::Uuid;

/// `aud` of a join token.
pub const JOIN_AUDIENCE: &str = "join";
/// `aud` of a resume token.
pub const RESUME_AUDIENCE: &str = "resume";
/// How long a join token lives.
pub const JOIN_TTL: Duration = Duration::from_secs(60);
/// How long a resume token lives: a working day, so that a reload in a long wait still works.
pub const RESUME_TTL: Duration = Duration::from_secs(12 * 60 * 60);

/// Who a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// The waiting room.
    pub waiting_room: WaitingRoomId,
    /// The one visit, for everybody but clinicians.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit: Option<VisitId>,
    /// Who.
    pub participant: ParticipantId,
    /// In which role.
    pub role: Role,
    /// Whose account it was given to, where it was: they keep it while they may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<HeldBy>,
}

/// Somebody with an account who holds a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBy {
    /// Who.
    pub account: AccountId,
    /// Where they were signed in when it was given.
    pub session: SessionId,
}

/// The claims of a join token: the right to connect once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinClaims {
    /// Who it is for.
    #[serde(flatten)]
    pub bearer: Bearer,
}

/// The claims of a resume token: the right to connect again to the same seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeClaims {
    /// Who it is for.
    #[serde(flatten)]
    pub bearer: Bearer,
    /// The seat. An older one than the current has been replaced.
    pub generation: Generation,
}

/// A token whose signature, audience and lifetime were found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// A join token.
    Join {
        /// What it says.
        claims: JoinClaims,
        /// Its id: counts once.
        jti: Uuid,
        /// When it is refused anyway.
        expires_at: Timestamp,
    },
    /// A resume token.
    Resume {
        /// What it says.
        claims: ResumeClaims,
    },
}

impl Verified {
    /// Who it is for.
    #[must_use]
    pub const fn bearer(&self) -> Bearer {
        match self {
            Self::Join { claims, .. } => claims.bearer,
            Self::Resume { claims } => claims.bearer,
        }
    }
}

/// Why a join token does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseError {
    /// It was used before.
    Used,
    /// Too many are remembered; later.
    Full,
}

/// The join tokens that were used and have not expired. What a restart forgets, the `seat-taken` event
/// that carries the token's id still knows.
#[derive(Clone, Debug, Default)]
pub struct UsedTokens {
    expiry: BTreeMap<Uuid, Timestamp>,
}

impl UsedTokens {
    /// Marks a token as used.
    ///
    /// # Errors
    /// [`UseError::Used`] the second time, [`UseError::Full`] at [`limits::MAX_USED_TOKENS`].
    pub fn take(&mut self, now: Timestamp, jti: Uuid, expires_at: Timestamp) -> Result<(), UseError> {
        if self.expiry.contains_key(&jti) {
            return Err(UseError::Used);
        }
        if self.expiry.len() >= limits::MAX_USED_TOKENS {
            self.expiry.retain(|_, expiry| *expiry > now);
        }
        if self.expiry.len() >= limits::MAX_USED_TOKENS {
            return Err(UseError::Full);
        }
        self.expiry.insert(jti, expires_at);
        Ok(())
    }

    /// Gives a token back whose seat could not be recorded.
    pub fn give_back(&mut self, jti: Uuid) {
        self.expiry.remove(&jti);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: usize) -> Uuid {
        Uuid::from_u128(n as u128)
    }

    #[test]
    fn a_join_token_counts_once_until_it_has_expired_anyway() {
        let mut used = UsedTokens::default();
        assert_eq!(used.take(Timestamp(0), id(1), Timestamp(60)), Ok(()));
        assert_eq!(used.take(Timestamp(1), id(1), Timestamp(60)), Err(UseError::Used));
        used.give_back(id(1));
        assert_eq!(used.take(Timestamp(2), id(1), Timestamp(60)), Ok(()));
    }

    #[test]
    fn remembers_as_many_tokens_as_its_limit_and_then_refuses_until_one_expires() {
        let mut used = UsedTokens::default();
        for n in 0..limits::MAX_USED_TOKENS {
            assert_eq!(used.take(Timestamp(0), id(n), Timestamp(60)), Ok(()));
        }
        assert_eq!(used.take(Timestamp(0), id(usize::MAX), Timestamp(60)), Err(UseError::Full));
        assert_eq!(used.take(Timestamp(60), id(usize::MAX), Timestamp(120)), Ok(()));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_claims_or_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = serde_json::from_slice::<JoinClaims>(&bytes);
            let _ = serde_json::from_slice::<ResumeClaims>(&bytes);
        }

        #[test]
        fn claims_survive_json(generation: u64, participant: u128, visit: Option<u128>) {
            let claims = ResumeClaims {
                bearer: Bearer {
                    tenant: TenantId(id(1)),
                    waiting_room: WaitingRoomId(id(2)),
                    visit: visit.map(|v| VisitId(Uuid::from_u128(v))),
                    participant: ParticipantId(Uuid::from_u128(participant)),
                    role: Role::Patient,
                    held_by: None,
                },
                generation: Generation(generation),
            };
            let json = serde_json::to_string(&claims).unwrap();
            prop_assert_eq!(serde_json::from_str::<ResumeClaims>(&json).unwrap(), claims);
            prop_assert!(serde_json::from_str::<ResumeClaims>(&json[..json.len() - 1]).is_err());
        }
    }
}
