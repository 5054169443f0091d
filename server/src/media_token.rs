//! Tokens for WHIP and WHEP: what they say, and how the SFU has them checked.

use model::{ParticipantId, RoomId, TenantId, Timestamp};
use platform::{clock::Clock, keys::Keys};
use serde::{Deserialize, Serialize};
use sfu::http::{BadToken, Claims, TokenDirection, VerifyToken};
use std::{sync::Arc, time::Duration};

/// `aud` of a token that publishes.
const WHIP: &str = "whip";
/// `aud` of a token that subscribes.
const WHEP: &str = "whep";

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Body {
    tenant: TenantId,
    room: RoomId,
    participant: ParticipantId,
    /// Whose feed, for a subscriber.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    feed: Option<ParticipantId>,
}

/// Makes a token.
pub(crate) fn sign(keys: &Keys, claims: Claims, ttl: Duration, now: Timestamp) -> String {
    let Claims { tenant, room, participant, direction } = claims;
    let (audience, feed) = match direction {
        TokenDirection::Publish => (WHIP, None),
        TokenDirection::Subscribe { feed } => (WHEP, feed),
    };
    keys.sign(audience, ttl, now, &Body { tenant, room, participant, feed })
}

/// Checks them with the process's keys and clock.
pub(crate) struct Verifier {
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl VerifyToken for Verifier {
    fn verify(&self, token: &str) -> Result<Claims, BadToken> {
        let now = self.clock.now();
        let of = |audience| self.keys.verify::<Body>(audience, now, token).map(|verified| verified.claims);
        let (body, direction) = match of(WHIP) {
            Ok(body) => (body, TokenDirection::Publish),
            Err(_) => {
                let body = of(WHEP).map_err(|_| BadToken)?;
                (body, TokenDirection::Subscribe { feed: body.feed })
            }
        };
        let Body { tenant, room, participant, .. } = body;
        Ok(Claims { tenant, room, participant, direction })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::clock::ManualClock;
    use uuid::Uuid;

    fn claims(direction: TokenDirection) -> Claims {
        Claims {
            tenant: TenantId(Uuid::from_u128(1)),
            room: RoomId(Uuid::from_u128(2)),
            participant: ParticipantId(Uuid::from_u128(3)),
            direction,
        }
    }

    #[test]
    fn a_token_allows_what_it_was_made_for_until_it_expires() {
        let (keys, clock) = (Arc::new(Keys::ephemeral()), Arc::new(ManualClock::default()));
        let verifier = Verifier { keys: keys.clone(), clock: clock.clone() };
        let feed = Some(ParticipantId(Uuid::from_u128(4)));
        for direction in [
            TokenDirection::Publish,
            TokenDirection::Subscribe { feed },
            TokenDirection::Subscribe { feed: None },
        ] {
            let token = sign(&keys, claims(direction), Duration::from_secs(60), clock.now());
            assert_eq!(verifier.verify(&token), Ok(claims(direction)));
        }
        let token = sign(&keys, claims(TokenDirection::Publish), Duration::from_secs(60), clock.now());
        clock.advance(Duration::from_secs(60));
        assert_eq!(verifier.verify(&token), Err(BadToken));
        assert_eq!(verifier.verify("hello"), Err(BadToken));
        assert_eq!(
            verifier.verify(&keys.sign(
                "join",
                Duration::from_secs(60),
                clock.now(),
                &Body {
                    tenant: TenantId(Uuid::nil()),
                    room: RoomId(Uuid::nil()),
                    participant: ParticipantId(Uuid::nil()),
                    feed: None,
                }
            )),
            Err(BadToken)
        );
    }
}
