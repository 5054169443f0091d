//! A stranger's WebRTC, the `webrtc` crate's, in a visit at a real `telehealth`: as patient, as clinician, as both.
#![expect(clippy::unwrap_used, reason = "a test")]

use loadtest::{
    consult::{Connected, FIRST, FIRST_VOICE, check_in, connect, invite, now, talk},
    deployment::{Deployment, Place},
    media::{Client, Counters, Engine, Fleet, Options, PATIENCE, Sending, Sink, Source, Tag},
    participant::{Participant, command_id},
};
use serde_json::Value;
use signaling_protocol::{
    ClientMessage,
    view::{MediaWish, Modality, Outcome, PhaseView},
};
use std::{fs, path::PathBuf, process::Command, time::Duration};

/// Packets of sound and of pictures that have to come each way: two seconds of both.
const ENOUGH: [(Sink, u64); 2] = [(FIRST_VOICE, 100), (FIRST, 240)];

/// Packets of a screen: two seconds.
const ENOUGH_OF_A_SCREEN: u64 = 40;

const CLINICIAN: Tag = Tag(1);
const PATIENT: Tag = Tag(2);

/// Beside this program's folder, unless `TELEHEALTH_BIN` says otherwise.
fn telehealth() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_loadtest")).with_file_name("telehealth");
    let path = std::env::var_os("TELEHEALTH_BIN").map_or(beside, PathBuf::from);
    assert!(path.exists(), "{}: build it (cargo build -p server), or set TELEHEALTH_BIN", path.display());
    path
}

async fn connected(fleet: &Fleet, engine: Engine, who: &mut Participant) -> Client {
    let Connected { client, .. } =
        connect(fleet, Options { engine, ..Options::default() }, who).await.unwrap();
    client
}

async fn line(client: &Client, sink: Sink) -> Counters {
    client.counters().await.unwrap().into_iter().find(|(known, _)| *known == sink).unwrap().1
}

/// So many packets came on a line, all of them, and all of this person's.
async fn brought(client: &Client, sink: Sink, packets: u64, from: Tag) {
    let latest = now() + PATIENCE;
    let seen = loop {
        let seen = line(client, sink).await;
        if seen.packets >= packets || now() > latest {
            break seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(seen.packets >= packets, "{sink:?} brought only {} of {packets} packets", seen.packets);
    assert_eq!((seen.lost, seen.missing, seen.tag), (0, 0, Some(from)), "{sink:?}: {seen:?}");
    println!("{sink:?} brought {} packets of {from:?}", seen.packets);
}

/// The server says that it has so many packets of what is sent, and lacks none.
async fn taken(client: &Client, from: Tag) {
    for (sink, packets) in ENOUGH {
        let source = if sink == FIRST { Source::Camera } else { Source::Microphone };
        let latest = now() + PATIENCE;
        let told = loop {
            let sent = client.sent().await.unwrap();
            let told = sent.into_iter().find(|(known, _)| *known == source).unwrap().1;
            if told.taken >= packets || now() > latest {
                break told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert!(told.taken >= packets && told.lost == 0, "{source:?} of {from:?}: {told:?}");
        println!("{source:?} of {from:?}: {told:?}");
    }
}

/// A patient checks in, waits, is admitted; both talk, the clinician shows a screen; both leave.
async fn visit([of_clinician, of_patient]: [Engine; 2]) {
    let deployment = Deployment::run(&telehealth(), 1, Place::default()).await.unwrap();
    let fleet = Fleet::start(None).unwrap();
    let mut clinician = Participant::join(&deployment.clinicians[0]).await.unwrap();
    clinician
        .until(|seen| seen.queue.as_ref().is_some_and(|queue| queue.media == MediaWish::Warm))
        .await
        .unwrap();
    let at_clinician = connected(&fleet, of_clinician, &mut clinician).await;
    talk(&at_clinician, Sending::talking(CLINICIAN));

    let (visit, link) = invite(&mut clinician).await.unwrap();
    let mut patient = Participant::join(&link).await.unwrap();
    check_in(&mut patient, Modality::Video).await.unwrap();
    let wishes =
        |wish| move |seen: &loadtest::participant::Seen| seen.visit.as_ref().is_some_and(|v| v.media == wish);
    patient.until(wishes(MediaWish::Warm)).await.unwrap();
    let at_patient = connected(&fleet, of_patient, &mut patient).await;
    talk(&at_patient, Sending::talking(PATIENT));
    for client in [&at_clinician, &at_patient] {
        // The crate (0.21.1) often passes over a first pulse that comes together with the end of SCTP's handshake, as it
        // may (RFC 9260 §5.1); it has the next one.
        let seen = client.until(|seen| seen.pulse.is_some() && seen.rtcp.is_some()).await.unwrap();
        let [up, pulse, rtcp] = [seen.connected, seen.pulse, seen.rtcp].map(Option::unwrap);
        println!("pulse after {} ms, RTCP after {} ms", (pulse - up).as_millis(), (rtcp - up).as_millis());
        assert_eq!(client.counters().await.unwrap().iter().map(|(_, line)| line.packets).sum::<u64>(), 0);
    }

    let clicked = now();
    clinician.ask(ClientMessage::Admit { id: command_id(), visit }).await.unwrap();
    for (client, from) in [(&at_clinician, PATIENT), (&at_patient, CLINICIAN)] {
        for sink in [FIRST, FIRST_VOICE] {
            let took = client.first_frame(sink).await.unwrap() - clicked;
            println!("first of {sink:?} from {from:?} after {} ms", took.as_millis());
        }
    }
    clinician.ask(ClientMessage::ShareRequest { id: command_id(), visit }).await.unwrap();
    at_clinician.send(Source::Screen, Sending::modestly(CLINICIAN));
    at_patient.first_frame(Sink::Screen).await.unwrap();
    brought(&at_patient, Sink::Screen, ENOUGH_OF_A_SCREEN, CLINICIAN).await;
    for (sink, packets) in ENOUGH {
        brought(&at_patient, sink, packets, CLINICIAN).await;
        brought(&at_clinician, sink, packets, PATIENT).await;
    }
    taken(&at_clinician, CLINICIAN).await;
    taken(&at_patient, PATIENT).await;
    let all = fleet.observe().await.unwrap();
    assert_eq!(all.lost, 0, "{all:?}");
    leave(clinician, patient, visit).await;
    at_patient.until(|seen| seen.closed.is_some()).await.unwrap();
    assert_eq!(at_clinician.seen().closed, None, "warm for the next patient");
}

async fn leave(mut clinician: Participant, mut patient: Participant, visit: model::VisitId) {
    patient.ask(ClientMessage::Leave { id: command_id() }).await.unwrap();
    let closed = patient.until(|_| false).await.unwrap_err().to_string();
    assert!(closed.contains("1000"), "{closed}");
    clinician.ask(ClientMessage::End { id: command_id(), visit, outcome: Outcome::Done }).await.unwrap();
    let ended = |seen: &loadtest::participant::Seen| {
        let entry = seen.queue.as_ref().and_then(|queue| queue.entries.iter().find(|e| e.visit == visit));
        entry.is_some_and(|e| matches!(e.phase, PhaseView::Ended { outcome: Outcome::Done, .. }))
    };
    clinician.until(ended).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_strangers_talk() {
    visit([Engine::WebRtc, Engine::WebRtc]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_the_clinician_of_a_client_of_ours() {
    visit([Engine::WebRtc, Engine::Own]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_the_patient_of_a_client_of_ours() {
    visit([Engine::Own, Engine::WebRtc]).await;
}

/// The program's own journey, reloads and screens included.
#[test]
fn strangers_play_a_journey() {
    let dir = tempfile::tempdir().unwrap();
    let journey = "about = 'strangers'\nclinicians = 1\n[arrivals]\nprocess = 'constant'\nper_minute = 40\nover_s = 3\n\
                   [visit]\ntalk_s = 2\nscreen_share = 1.0\nreconnect = 1.0\n[slo]\nfailed = 0\nloss = 0\n";
    fs::write(dir.path().join("strangers.toml"), journey).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_loadtest"))
        .args(["run", "--journey", "strangers.toml", "--webrtc", "everybody", "--start"])
        .arg(telehealth())
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    let report = fs::read_to_string(dir.path().join("loadtest-report.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (&report["people"]["done"], &report["people"]["failed"]),
        (&2.into(), &0.into()),
        "{report:#}"
    );
    for (stage, count) in [("connected", 2), ("first_frame", 4), ("screen", 2), ("reconnect", 2)] {
        assert_eq!(report["stages"][stage]["count"], count, "{stage}: {report:#}");
    }
    assert_eq!(report["media"]["lost"], 0, "{report:#}");
    assert!(report["media"]["packets"].as_u64() > Some(500), "{report:#}");
}
