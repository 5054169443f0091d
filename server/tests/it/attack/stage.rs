//! Live calls while somebody attacks, and what they must be like afterwards.

use super::tap::Tap;
use crate::{browser::Browser, device::Link, http::get, process::Server};
use signaling_protocol::{ClientMessage, ServerMessage, view::MediaWish};
use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};
use testkit::media_client::{MediaClient, Options, Sink, Source, Tag};

/// Of the packets towards a client, between the first and the last that arrived.
const MAX_LOSS: f64 = 0.001;
/// Of the server, over one attack, bytes.
const MAX_GROWTH: u64 = 8 << 20;
/// Sockets that an attacker has.
pub(crate) const PORTS: usize = 32;

/// `ATTACK=long`, as `make attack` sets it.
pub(crate) fn long() -> bool {
    std::env::var("ATTACK").is_ok_and(|value| value == "long")
}

/// The longer one of two amounts in the long run.
pub(crate) fn amount<T>(short: T, long_run: T) -> T {
    if long() { long_run } else { short }
}

/// A visit with a clinician and a patient, whose path is tapped, and a camera that somebody watches in another room.
pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) clinician: Browser,
    pub(crate) patient: Browser,
    pub(crate) doctor: MediaClient,
    pub(crate) visitor: MediaClient,
    pub(crate) tap: Tap,
    /// `ours:theirs` of the visitor's session, as its checks say it.
    pub(crate) username: String,
    camera: MediaClient,
    viewer: MediaClient,
    before: Before,
}

#[derive(Clone, Copy, Debug)]
struct Before {
    memory: u64,
    closed: f64,
    at: Instant,
}

fn ufrag(sdp: &str) -> &str {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap()
}

/// Whom each client hears and sees.
const DOCTOR: Tag = Tag(1);
const VISITOR: Tag = Tag(2);
const CAMERA: Tag = Tag(3);

impl Stage {
    pub(crate) async fn new() -> Self {
        let server = Server::start();
        let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
        let mut patient = Browser::open_link(&server, server.secret("patient")).await;
        patient.check_in().await;
        clinician.until(|me| me.waiting().len() == 1).await;
        clinician.until(|me| me.wish() == MediaWish::Warm).await;
        patient.until(|me| me.wish() == MediaWish::Warm).await;
        let (doctor, offer) = MediaClient::offer(Options::default()).unwrap();
        doctor.answer(&clinician.offer(offer).await.unwrap()).unwrap();
        let (visitor, offer) = MediaClient::offer(Options::default()).unwrap();
        let answer = patient.offer(offer.clone()).await.unwrap();
        let tap = Tap::new(media(&server), Vec::new());
        visitor.answer(&tap.answer(&answer)).unwrap();
        doctor.connected().unwrap();
        visitor.connected().unwrap();
        let visit = clinician.waiting()[0];
        clinician.admit(visit).await;
        let lines = server.tokens(&["--rooms", "1", "--participants", "2"]);
        let (camera, _) = Link::of(&lines[0]["publish"]).connect(&server, Options::whip());
        let (viewer, _) = Link::of(&lines[1]["subscribe"][0]).connect(&server, Options::whep());
        for (client, tag) in [(&doctor, DOCTOR), (&visitor, VISITOR), (&camera, CAMERA)] {
            client.seen().keep = 2_000;
            client.send(Source::Microphone, tag);
            client.send(Source::Camera, tag);
        }
        viewer.seen().keep = 2_000;
        let begun = |client: &MediaClient, tag| {
            client.wait(|seen| {
                seen.hears(0, tag) && seen.sees(0, tag) && seen.total(Sink::video(0)) > amount(100, 1_000)
            })
        };
        assert!(begun(&doctor, VISITOR) && begun(&visitor, DOCTOR) && begun(&viewer, CAMERA));
        let username = format!("{}:{}", ufrag(&answer), ufrag(&offer));
        let before = Before { memory: 0, closed: 0.0, at: Instant::now() };
        let mut stage =
            Self { server, clinician, patient, doctor, visitor, tap, username, camera, viewer, before };
        stage.begin();
        stage
    }

    /// From here on it is measured.
    pub(crate) fn begin(&mut self) {
        for client in [&self.doctor, &self.visitor, &self.viewer, &self.camera] {
            client.seen().forget();
        }
        let closed = self.value("closed_total", "");
        self.before = Before { memory: self.server.memory(), closed, at: Instant::now() };
    }

    /// Nothing happened to anybody: no session ended, packets still arrive, few were lost, memory is as it was, and no
    /// panic was caught. Says what was measured.
    pub(crate) async fn unharmed(&mut self, attack: &str) {
        let listeners = [("doctor", &self.doctor), ("visitor", &self.visitor), ("viewer", &self.viewer)];
        for (who, client) in listeners {
            let seen = client.seen();
            let (sound, picture) = (seen.total(Sink::audio(0)), seen.total(Sink::video(0)));
            drop(seen);
            let goes_on = client.wait(|seen| {
                seen.total(Sink::audio(0)) > sound + 50 && seen.total(Sink::video(0)) > picture + 50
            });
            assert!(goes_on, "{attack}: nothing more reaches the {who}");
            assert!(client.seen().closed.is_none(), "{attack}: the {who} was thrown out");
        }
        let lost = listeners.map(|(_, client)| {
            let seen = client.seen();
            seen.loss(Sink::audio(0)).max(seen.loss(Sink::video(0)))
        });
        let worst = lost.into_iter().fold(0.0, f64::max);
        let memory = self.server.memory();
        let growth = memory.saturating_sub(self.before.memory);
        println!(
            "{attack}: {:.1} s, loss {lost:.5?}, memory {} MiB, {:+} KiB",
            self.before.at.elapsed().as_secs_f64(),
            memory >> 20,
            (memory.cast_signed() - self.before.memory.cast_signed()) / 1_024
        );
        assert!(worst <= MAX_LOSS, "{attack}: {lost:?} of the packets were lost");
        assert!(growth <= MAX_GROWTH, "{attack}: {growth} bytes more");
        assert_eq!(self.value("caught_panics_total", ""), 0.0, "{attack}: a panic was caught");
        assert_eq!(self.value("closed_total", ""), self.before.closed, "{attack}: a session ended");
        self.still_there().await;
    }

    /// The sum of a figure of the media plane, over the lines that have such a label.
    pub(crate) fn value(&self, name: &str, label: &str) -> f64 {
        let name = format!("telehealth_sfu_{name}");
        let text = get(self.server.metrics(), "/metrics").body;
        let lines = text.lines().filter(|line| {
            line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    pub(crate) fn media(&self) -> SocketAddr {
        media(&self.server)
    }

    /// Waits until a figure is at least so high; it must be.
    pub(crate) fn counted(&self, name: &str, label: &str, least: f64) {
        let begun = Instant::now();
        while self.value(name, label) < least {
            let now = self.value(name, label);
            assert!(begun.elapsed() < Duration::from_secs(10), "{name} {label}: {now} of {least}");
        }
    }

    /// Signaling answers both people of the visit.
    pub(crate) async fn still_there(&mut self) {
        for person in [&mut self.clinician, &mut self.patient] {
            answered(person).await;
        }
    }

    /// So many sessions were ended on purpose since it began.
    pub(crate) fn forgive(&mut self, ended: usize) {
        self.counted("closed_total", "", self.before.closed + ended as f64);
        self.before.closed += ended as f64;
    }

    /// Media packets that the clients have sent.
    pub(crate) fn sent(&self) -> u64 {
        [&self.doctor, &self.visitor, &self.camera].iter().map(|client| client.seen().sent).sum()
    }

    /// As [`Stage::unharmed`], of the room that the attack is not in; and that nobody is thrown out.
    pub(crate) async fn others_unharmed(&mut self, attack: &str) {
        let sound = self.doctor.seen().total(Sink::audio(0));
        assert!(self.doctor.wait(|seen| seen.total(Sink::audio(0)) > sound + 50), "{attack}: no sound");
        let lost = {
            let seen = self.viewer.seen();
            seen.loss(Sink::audio(0)).max(seen.loss(Sink::video(0)))
        };
        println!("{attack}: another room's loss {lost:.5}");
        assert!(lost <= MAX_LOSS, "{attack}: {lost} of another room's packets were lost");
        assert_eq!(self.value("caught_panics_total", ""), 0.0, "{attack}: a panic was caught");
        assert_eq!(self.value("closed_total", ""), self.before.closed, "{attack}: a session ended");
        answered(&mut self.clinician).await;
    }

    /// An offer of a new session of the camera's room, to be answered.
    pub(crate) fn another(&self) -> Link {
        let lines = self.server.tokens(&["--rooms", "1", "--participants", "2"]);
        Link::of(&lines[1]["subscribe"][0])
    }
}

/// Asks whether signaling is there, and how long that took.
pub(crate) async fn answered(person: &mut Browser) -> Duration {
    let begun = Instant::now();
    let wanted = 0xA77A;
    person.say(&ClientMessage::Ping { nonce: wanted }).await;
    let is_it =
        |message: &ServerMessage| matches!(message, ServerMessage::Pong { nonce, .. } if *nonce == wanted);
    person.until_message(|message| is_it(message).then_some(())).await;
    begun.elapsed()
}

/// Where the server takes media, on loopback.
pub(crate) fn media(server: &Server) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, server.media().port()))
}

/// Sends at a pace for a time, or less where the machine is too busy: a flood is no backlog. How many were sent.
pub(crate) fn flood(pps: u32, seconds: f64, mut send: impl FnMut(usize)) -> usize {
    let (begun, mut last, mut due, mut sent) = (Instant::now(), Instant::now(), 0.0_f64, 0);
    while begun.elapsed().as_secs_f64() < seconds {
        due += last.elapsed().as_secs_f64() * f64::from(pps);
        last = Instant::now();
        due = due.min((f64::from(pps) / 50.0).max(1.0));
        while due >= 1.0 {
            due -= 1.0;
            send(sent);
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    sent
}

/// Sockets of somebody who is nobody, and how many bytes were sent to them.
pub(crate) struct Strangers(Vec<UdpSocket>);

impl Strangers {
    pub(crate) fn new() -> Self {
        let socket = |_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        Self((0..PORTS).map(socket).collect())
    }

    pub(crate) fn send(&self, n: usize, datagram: &[u8], to: SocketAddr) {
        let _ = self.0[n % PORTS].send_to(datagram, to);
    }

    /// Everything that came back so far, bytes.
    pub(crate) fn received(&self) -> usize {
        let mut sum = 0;
        for socket in &self.0 {
            let mut piece = [0; 2_048];
            while let Ok(len) = socket.recv(&mut piece) {
                sum += len;
            }
        }
        sum
    }
}
