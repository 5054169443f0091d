//! `telehealth token`: links for WHIP and WHEP clients, as JSON lines.

use crate::{cli::Token, media_token};
use model::{ParticipantId, RoomId, TenantId};
use platform::{clock::Clock, ids, keys::Keys};
use serde::Serialize;
use sfu::http::{Claims, TokenDirection};
use std::io::{self, Write};

#[derive(Serialize)]
struct Line {
    room: RoomId,
    participant: ParticipantId,
    publish: Publish,
    subscribe: Vec<Subscribe>,
}

#[derive(Serialize)]
struct Publish {
    url: String,
    token: String,
}

#[derive(Serialize)]
struct Subscribe {
    participant: ParticipantId,
    url: String,
    token: String,
}

/// Writes one line per participant:
/// `{room, participant, publish: {url, token}, subscribe: [{participant, url, token}]}`.
pub(crate) fn write(
    out: &mut impl Write,
    ask: &Token,
    url: &str,
    tenant: TenantId,
    keys: &Keys,
    clock: &dyn Clock,
) -> io::Result<()> {
    let url = url.trim_end_matches('/');
    let now = clock.now();
    for _ in 0..ask.rooms {
        let room = RoomId(ids::fresh());
        let all: Vec<_> = (0..ask.participants).map(|_| ParticipantId(ids::fresh())).collect();
        for participant in &all {
            let sign = |direction| {
                let claims = Claims { tenant, room, participant: *participant, direction };
                media_token::sign(keys, claims, ask.ttl, now)
            };
            let publish = Publish { url: format!("{url}/whip/{room}"), token: sign(TokenDirection::Publish) };
            let others = all.iter().copied().filter(|feed| feed != participant);
            let subscribe = others.map(|feed| Subscribe {
                participant: feed,
                url: format!("{url}/whep/{room}/{feed}"),
                token: sign(TokenDirection::Subscribe { feed: Some(feed) }),
            });
            let line = Line { room, participant: *participant, publish, subscribe: subscribe.collect() };
            serde_json::to_writer(&mut *out, &line)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::Common, media_token::Verifier};
    use platform::clock::ManualClock;
    use serde_json::Value;
    use sfu::http::VerifyToken as _;
    use std::{sync::Arc, time::Duration};
    use uuid::Uuid;

    #[test]
    fn each_participant_gets_a_line_that_lets_it_publish_and_hear_the_others_in_its_room_only() {
        let (keys, clock) = (Arc::new(Keys::ephemeral()), Arc::new(ManualClock::default()));
        let ttl = Duration::from_secs(60);
        let ask = Token {
            common: Common::default(),
            rooms: 2,
            participants: 3,
            ttl,
            url: None,
            tenant: TenantId(Uuid::nil()),
        };
        let mut out = Vec::new();
        write(&mut out, &ask, "http://x/", TenantId(Uuid::nil()), &keys, &*clock).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(r#"{"room":""#), "{text}");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 6);
        let verifier = Verifier { keys, clock };
        for line in &lines {
            let (room, own) = (line["room"].as_str().unwrap(), line["participant"].as_str().unwrap());
            assert_eq!(line["publish"]["url"], format!("http://x/whip/{room}"));
            let claims = verifier.verify(line["publish"]["token"].as_str().unwrap()).unwrap();
            assert_eq!((claims.room.to_string(), claims.participant.to_string()), (room.into(), own.into()));
            assert_eq!(claims.direction, TokenDirection::Publish);
            let others = line["subscribe"].as_array().unwrap();
            assert_eq!(others.len(), 2);
            for other in others {
                let feed = other["participant"].as_str().unwrap();
                assert_ne!(feed, own);
                assert!(lines.iter().any(|line| line["room"] == room && line["participant"] == feed));
                assert_eq!(other["url"], format!("http://x/whep/{room}/{feed}"));
                let claims = verifier.verify(other["token"].as_str().unwrap()).unwrap();
                assert_eq!(claims.direction, TokenDirection::Subscribe { feed: feed.parse().ok() });
            }
        }
    }
}
