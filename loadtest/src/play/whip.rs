//! Any SFU, through WHIP and WHEP: two people who publish, and each subscribes to the other. Where there is no WHEP
//! they only publish, and the SFU's own reports say what came of it.

use super::{World, conclude, sending};
use crate::{plan::Arrival, record::Stage};
use anyhow::{Context as _, Result, bail, ensure};
use hyper::{Method, header};
use loadtest::{
    consult::{FIRST, FIRST_VOICE, now},
    http,
    media::{Client, Offer, Options, Source, Tag, Told},
    net::Origin,
};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, sleep_until},
};

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
type Room = [(Endpoint, Option<Endpoint>); 2];

/// How long after the last word an SFU may take to report on what came. RFC 3550 §6.2: every 5 s, and then some.
const REPORTED_WITHIN: Duration = Duration::from_secs(12);

/// How often it is asked for meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Rooms to meet in.
pub(crate) enum Rooms {
    /// So many as are listed, used again when they are free.
    Listed(Vec<Room>),
    /// As many as are wanted, by templates.
    Made { whip: String, whep: Option<String>, bearer: Option<String> },
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
    pub(crate) fn made(whip: &str, whep: Option<&str>, bearer: Option<String>) -> Result<Self> {
        for (flag, template) in std::iter::once(("--whip", whip)).chain(whep.map(|whep| ("--whep", whep))) {
            Origin::split(template).with_context(|| format!("{flag} {template}"))?;
            for part in ["{room}", "{participant}"] {
                let whip_of_a_room = flag == "--whip" && part == "{participant}" && bearer.is_none();
                ensure!(
                    template.contains(part) || whip_of_a_room,
                    "{flag} {template}: must contain {part}, so that every room and person has an address of its own"
                );
            }
        }
        Ok(Self::Made { whip: whip.to_owned(), whep: whep.map(str::to_owned), bearer })
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
            let mut both = lines.into_iter().map(|line| (line.publish, line.subscribe.into_iter().next()));
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
                let from = |participant| whep.as_ref().map(|whep| fill(whep, participant));
                [(fill(whip, "a"), from("b")), (fill(whip, "b"), from("a"))]
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

/// A session at the SFU.
struct Session {
    client: Client,
    resource: Option<Resource>,
    offered: Instant,
}

/// How to end it.
struct Resource {
    origin: Origin,
    path: String,
    token: Option<String>,
}

type Failed = (Stage, anyhow::Error);

async fn consult(world: &World, room: &Room, person: &Arrival, n: u32) -> Result<(), Failed> {
    let mut sessions = Vec::new();
    let talked = talk(world, room, person, n, &mut sessions).await;
    // However it went: an endpoint that is left open is taken when the next people come.
    let mut ended = Ok(());
    for Session { client: _until_then, resource, .. } in sessions {
        ended = ended.and(end(resource).await.map_err(|e| (Stage::End, e)));
    }
    talked.and(ended)
}

async fn talk(
    world: &World,
    room: &Room,
    person: &Arrival,
    n: u32,
    sessions: &mut Vec<Session>,
) -> Result<(), Failed> {
    let tags = [Tag(2 * n + 1), Tag(2 * n + 2)];
    let none = Options { slots: 0, share: false, screen: false, data: false, ..world.patients };
    let sends = none;
    let receives = Options { sends: false, slots: 1, simulcast: false, ..none };
    for ((publish, _), (own, first)) in room.iter().zip([(tags[0], true), (tags[1], false)]) {
        let sends = if first { person.on(sends) } else { sends };
        let session = post(world, publish, sends).await.context("WHIP").map_err(|e| (Stage::Connected, e))?;
        session.client.send(Source::Microphone, sending(person.device, own));
        if !(first && person.sound_only) {
            session.client.send(Source::Camera, sending(person.device, own));
        }
        sessions.push(session);
    }
    let publishers = sessions.len();
    let talk_until = now() + person.talk;
    let mut heard = Vec::new();
    for ((_, subscribe), (of, first, sound_only)) in
        room.iter().zip([(tags[1], true, false), (tags[0], false, person.sound_only)])
    {
        let Some(subscribe) = subscribe else { continue };
        let receives = if first { person.on(receives) } else { receives };
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
    for (n, of) in &heard {
        whose(&sessions[*n].client, *of).await.map_err(|e| (Stage::Talk, e))?;
    }
    if heard.is_empty() {
        for session in &sessions[..publishers] {
            let (packets, lost) = taken(&session.client).await.map_err(|e| (Stage::Talk, e))?;
            world.record.taken(packets, lost);
        }
    }
    Ok(())
}

/// What the SFU says came of what was sent: packets, and packets lost.
async fn taken(client: &Client) -> Result<(u64, u64)> {
    let latest = now() + REPORTED_WITHIN;
    loop {
        let sent = client.sent().await?;
        if sent.iter().all(|(_, told)| told.sent == 0 || told.taken > 0) {
            let sum = |sum: (u64, u64), told: &Told| (sum.0 + told.taken, sum.1 + told.lost);
            return Ok(sent.iter().map(|(_, told)| told).fold((0, 0), sum));
        }
        ensure!(now() < latest, "the SFU does not report that it hears what is published");
        sleep(LOOK_EVERY).await;
    }
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
    let (pending, offer) = world.fleet.offer(options).await?;
    let bearer = at.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/sdp")];
    headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
    let offered = now();
    let answer = http::send(&origin, Method::POST, path, &headers, offer).await?.good()?;
    let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let resource = location.and_then(|location| resource(&origin, path, location));
    let resource = resource.map(|(origin, path)| Resource { origin, path, token: at.token.clone() });
    match connected(pending, &answer.body).await {
        Ok((client, up)) => {
            world.record.took(Stage::Connected, up.saturating_duration_since(offered));
            Ok(Session { client, resource, offered })
        }
        Err(error) => {
            // What went wrong first is what there is to tell.
            let _ = end(resource).await;
            Err(error)
        }
    }
}

async fn connected(pending: Offer, answer: &str) -> Result<(Client, Instant)> {
    let client = pending.answered(answer).await?;
    let up = client.connected().await?;
    Ok((client, up))
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

async fn end(resource: Option<Resource>) -> Result<()> {
    let Some(Resource { origin, path, token }) = resource else { return Ok(()) };
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
        let rooms = Rooms::made(whip, Some(whep), Some("secret".into())).unwrap();
        let [(publish, subscribe), _] = rooms.room(4);
        assert_eq!(publish.url, "https://sfu.example/whip/loadtest-5/a");
        assert_eq!(subscribe.unwrap().url, "https://sfu.example/whep/loadtest-5/b");
        assert!(Rooms::made(whip, None, None).unwrap().room(4)[0].1.is_none(), "nobody subscribes");
        assert!(!format!("{rooms:?}").contains("secret"));
        let said = Rooms::made("https://x/whip/{participant}", Some(whep), None).unwrap_err().to_string();
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
        assert_eq!(rooms[0][0].1.as_ref().unwrap().url, "http://x/whep/1/b");
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
