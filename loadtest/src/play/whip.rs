//! Any SFU, through WHIP and WHEP: two people who publish, and each subscribes to the other.

use super::{World, conclude, sending};
use crate::{plan::Arrival, record::Stage};
use anyhow::{Context as _, Result, bail, ensure};
use hyper::{Method, header};
use loadtest::{
    consult::{FIRST, FIRST_VOICE, now},
    http,
    media::{Client, Options, Source, Tag},
    net::Origin,
};
use serde::Deserialize;
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep_until};

/// Where to post, and with what.
#[derive(Clone, Deserialize)]
pub(crate) struct Endpoint {
    url: String,
    #[serde(default)]
    token: Option<String>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Two people's endpoints: to publish, and to subscribe to the other.
type Room = [(Endpoint, Endpoint); 2];

/// Rooms to meet in.
pub(crate) enum Rooms {
    /// So many as are listed, used again when they are free.
    Listed(Vec<Room>),
    /// As many as are wanted, by templates.
    Made { whip: String, whep: String, bearer: Option<String> },
}

impl std::fmt::Debug for Rooms {
    /// Without tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listed(rooms) => f.debug_tuple("Listed").field(rooms).finish(),
            Self::Made { whip, whep, .. } => {
                f.debug_struct("Made").field("whip", whip).field("whep", whep).finish_non_exhaustive()
            }
        }
    }
}

/// A line of `telehealth token`.
#[derive(Deserialize)]
struct Line {
    room: String,
    publish: Endpoint,
    subscribe: Vec<Endpoint>,
}

impl Rooms {
    /// From templates.
    ///
    /// # Errors
    /// They do not tell people apart.
    pub(crate) fn made(whip: &str, whep: &str, bearer: Option<String>) -> Result<Self> {
        for (flag, template) in [("--whip", whip), ("--whep", whep)] {
            Origin::split(template).with_context(|| format!("{flag} {template}"))?;
            for part in ["{room}", "{participant}"] {
                let whip_of_a_room = flag == "--whip" && part == "{participant}" && bearer.is_none();
                ensure!(
                    template.contains(part) || whip_of_a_room,
                    "{flag} {template}: must contain {part}, so that every room and person has an address of its own"
                );
            }
        }
        Ok(Self::Made { whip: whip.to_owned(), whep: whep.to_owned(), bearer })
    }

    /// From what `telehealth token --participants 2` prints.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn listed(text: &str) -> Result<Self> {
        let mut rooms: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for (n, line) in text.lines().filter(|line| !line.trim().is_empty()).enumerate() {
            let line: Line = serde_json::from_str(line)
                .with_context(|| format!("line {}: not a line of `telehealth token`", n + 1))?;
            rooms.entry(line.room.clone()).or_default().push(line);
        }
        let pair = |lines: Vec<Line>| {
            let mut both = lines.into_iter().filter_map(|line| {
                let subscribe = line.subscribe.into_iter().next()?;
                Some((line.publish, subscribe))
            });
            Some([both.next()?, both.next()?])
        };
        let rooms: Vec<_> = rooms.into_values().filter_map(pair).collect();
        ensure!(
            !rooms.is_empty(),
            "no room has two participants: telehealth token --rooms 20 --participants 2"
        );
        Ok(Self::Listed(rooms))
    }

    pub(crate) fn origin(&self) -> Result<Origin> {
        let url = match self {
            Self::Listed(rooms) => &rooms.first().context("no rooms")?[0].0.url,
            Self::Made { whip, .. } => whip,
        };
        Ok(Origin::split(url)?.0)
    }

    fn room(&self, n: usize) -> Room {
        match self {
            Self::Listed(rooms) => rooms[n % rooms.len()].clone(),
            Self::Made { whip, whep, bearer } => {
                let fill = |template: &str, participant: &str| Endpoint {
                    url: template
                        .replace("{room}", &format!("loadtest-{}", n + 1))
                        .replace("{participant}", participant),
                    token: bearer.clone(),
                };
                [(fill(whip, "a"), fill(whep, "b")), (fill(whip, "b"), fill(whep, "a"))]
            }
        }
    }
}

/// Everybody meets at their time; until the last have parted.
pub(crate) async fn play(world: Arc<World>, rooms: Arc<Rooms>, people: Vec<Arrival>, begin: Instant) {
    // One consult in a room at a time.
    let free: Arc<Vec<Semaphore>> = Arc::new(match &*rooms {
        Rooms::Listed(rooms) => rooms.iter().map(|_| Semaphore::new(1)).collect(),
        Rooms::Made { .. } => Vec::new(),
    });
    let mut tasks = JoinSet::new();
    for (n, person) in people.into_iter().enumerate() {
        let (world, rooms, free) = (Arc::clone(&world), Arc::clone(&rooms), Arc::clone(&free));
        tasks.spawn(async move {
            let intended = begin + person.at;
            sleep_until(intended.into()).await;
            world.record.came();
            let _alone = match free.is_empty() {
                true => None,
                false => free[n % free.len()].acquire().await.ok(),
            };
            world.record.took_since(Stage::Waited, intended);
            world.record.call(true);
            let result = consult(&world, &rooms.room(n), &person, n as u32).await;
            world.record.call(false);
            conclude(&world.record, result);
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// A session at the SFU, and how to end it.
struct Session {
    client: Client,
    resource: Option<(Origin, String, Option<String>)>,
    offered: Instant,
}

async fn consult(world: &World, room: &Room, person: &Arrival, n: u32) -> Result<(), (Stage, anyhow::Error)> {
    let tags = [Tag(2 * n + 1), Tag(2 * n + 2)];
    let none = Options { slots: 0, share: false, screen: false, data: false, ..world.options };
    let sends = none;
    let receives = Options { sends: false, slots: 1, simulcast: false, ..none };
    let mut sessions = Vec::new();
    for ((publish, _), (own, first)) in room.iter().zip([(tags[0], true), (tags[1], false)]) {
        let session = post(world, publish, sends).await.context("WHIP").map_err(|e| (Stage::Connected, e))?;
        session.client.send(Source::Microphone, sending(person.device, own));
        if !(first && person.sound_only) {
            session.client.send(Source::Camera, sending(person.device, own));
        }
        sessions.push(session);
    }
    let talk_until = now() + person.talk;
    let mut heard = Vec::new();
    for ((_, subscribe), (of, sound_only)) in
        room.iter().zip([(tags[1], false), (tags[0], person.sound_only)])
    {
        let session =
            post(world, subscribe, receives).await.context("WHEP").map_err(|e| (Stage::Connected, e))?;
        let sink = if sound_only { FIRST_VOICE } else { FIRST };
        let seen =
            session.client.first_frame(sink).await.context("WHEP").map_err(|e| (Stage::FirstFrame, e))?;
        world.record.took(Stage::FirstFrame, seen.saturating_duration_since(session.offered));
        heard.push((sessions.len(), of));
        sessions.push(session);
    }
    sleep_until(talk_until.into()).await;
    for (n, of) in heard {
        whose(&sessions[n].client, of).await.map_err(|e| (Stage::Talk, e))?;
    }
    for session in sessions {
        end(session).await.map_err(|e| (Stage::End, e))?;
    }
    Ok(())
}

async fn whose(client: &Client, partner: Tag) -> Result<()> {
    for (sink, line) in client.counters().await? {
        if line.tag.is_some_and(|tag| tag != partner) {
            bail!("{sink:?} brought somebody else");
        }
    }
    Ok(())
}

/// Posts an offer, takes the answer, waits for ICE and DTLS.
async fn post(world: &World, at: &Endpoint, options: Options) -> Result<Session> {
    let (origin, path) = Origin::split(&at.url)?;
    let (pending, offer) = world.fleet.offer(options)?;
    let bearer = at.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/sdp")];
    headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
    let offered = now();
    let answer = http::send(&origin, Method::POST, path, &headers, offer).await?.good()?;
    let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let resource = location.and_then(|location| resource(&origin, path, location));
    let client = pending.answered(&answer.body)?;
    let up = client.connected().await?;
    world.record.took(Stage::Connected, up.saturating_duration_since(offered));
    let resource = resource.map(|(origin, path)| (origin, path, at.token.clone()));
    Ok(Session { client, resource, offered })
}

/// Where a session can be ended: absolute, from the root, or relative (RFC 9725 §4.2).
fn resource(origin: &Origin, path: &str, location: &str) -> Option<(Origin, String)> {
    if let Ok((origin, path)) = Origin::split(location) {
        return Some((origin, path.to_owned()));
    }
    if location.starts_with('/') {
        return Some((origin.clone(), location.to_owned()));
    }
    let (folder, _) = path.rsplit_once('/')?;
    Some((origin.clone(), format!("{folder}/{location}")))
}

async fn end(session: Session) -> Result<()> {
    let Some((origin, path, token)) = session.resource else { return Ok(()) };
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    http::send(&origin, Method::DELETE, &path, &headers, String::new())
        .await?
        .good()
        .context("end a session")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_tell_rooms_and_people_apart() {
        let whip = "https://sfu.example/whip/{room}/{participant}";
        let whep = "https://sfu.example/whep/{room}/{participant}";
        let rooms = Rooms::made(whip, whep, Some("secret".into())).unwrap();
        let [(publish, subscribe), _] = rooms.room(4);
        assert_eq!(publish.url, "https://sfu.example/whip/loadtest-5/a");
        assert_eq!(subscribe.url, "https://sfu.example/whep/loadtest-5/b");
        assert!(!format!("{rooms:?}").contains("secret"));
        let said = Rooms::made("https://x/whip/{participant}", whep, None).unwrap_err().to_string();
        assert!(said.contains("--whip") && said.contains("{room}"), "{said}");
    }

    #[test]
    fn tokens_are_read_two_to_a_room() {
        let line = |room: &str, who: &str, other: &str| {
            format!(
                r#"{{"room":"{room}","participant":"{who}","publish":{{"url":"http://x/whip/{room}","token":"p{who}"}},
                "subscribe":[{{"participant":"{other}","url":"http://x/whep/{room}/{other}","token":"s{who}"}}]}}"#
            )
            .replace('\n', "")
        };
        let text = [line("1", "a", "b"), line("1", "b", "a"), line("2", "c", "d")].join("\n");
        let Rooms::Listed(rooms) = Rooms::listed(&text).unwrap() else { panic!("listed") };
        assert_eq!(rooms.len(), 1, "the second has only one");
        assert_eq!(rooms[0][0].1.url, "http://x/whep/1/b");
        assert!(!format!("{rooms:?}").contains("pa"));
        assert!(Rooms::listed("{}").is_err() && Rooms::listed("").is_err());
    }

    #[test]
    fn a_session_is_where_the_location_says() {
        let (origin, path) = Origin::split("https://x/whip/1").unwrap();
        for (location, expected) in [
            ("/whip/session/7", "https://x /whip/session/7"),
            ("https://y/z", "https://y /z"),
            ("session/7", "https://x /whip/session/7"),
        ] {
            let (origin, path) = resource(&origin, path, location).unwrap();
            assert_eq!(format!("{origin} {path}"), expected);
        }
    }
}
