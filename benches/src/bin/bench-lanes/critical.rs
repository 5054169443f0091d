//! Critical work at a moderate load: links exchanged, and commands of clinicians, each of which is on disk before it is
//! answered.

use crate::wire::Wire;
use anyhow::{Context as _, Result, bail};
use loadtest::{
    consult::now,
    participant::{Link, Participant, command_id},
};
use model::VisitId;
use signaling_protocol::{ClientMessage, ServerMessage, view::Outcome};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Connections that exchange links.
const EXCHANGERS: usize = 16;

/// Links exchanged a second.
pub(crate) const EXCHANGES: u32 = 100;

/// Commands a second of each clinician.
pub(crate) const COMMANDS_EACH: u32 = 5;

/// What was measured in one phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) exchange_ms: Vec<f64>,
    pub(crate) command_ms: Vec<f64>,
    pub(crate) late_ms: Vec<f64>,
}

/// Those who ask.
pub(crate) struct Critical {
    wires: Vec<Wire>,
    request: Vec<u8>,
    clinicians: Vec<Clinician>,
}

struct Clinician {
    who: Participant,
    /// Invited, and not yet ended.
    open: Option<VisitId>,
}

impl Critical {
    /// One clinician a waiting room.
    pub(crate) async fn start(rooms: &[Link]) -> Result<Self> {
        let first = rooms.first().context("no waiting room")?;
        let mut clinicians = Vec::new();
        for room in rooms {
            clinicians.push(Clinician { who: Participant::join(room).await?, open: None });
        }
        let (path, body) = first.exchange();
        let (origin, body) = (first.origin(), body.to_string());
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\norigin: {origin}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            origin.authority(),
            body.len()
        );
        let wires = (0..EXCHANGERS).map(|_| Wire::new(origin)).collect();
        Ok(Self { wires, request: request.into_bytes(), clinicians })
    }

    /// Works for so long; each at its own time, all of them evenly spread.
    pub(crate) async fn run(&mut self, long: Duration) -> Result<Sample> {
        let begin = now() + Duration::from_millis(20);
        let end = begin + long;
        let mut exchanging = JoinSet::new();
        let apart = Duration::from_secs(1) / EXCHANGES;
        for (n, mut wire) in (0_u32..).zip(self.wires.drain(..)) {
            let request = self.request.clone();
            exchanging.spawn(async move {
                let mut sample = Sample::default();
                for due in dues(begin + apart * n, apart * EXCHANGERS as u32, end) {
                    let answer = wire.ask_at(due, &request).await?;
                    anyhow::ensure!(answer.status == 200, "an exchange was answered {}", answer.status);
                    sample.exchange_ms.push(ms(answer.took));
                    sample.late_ms.push(ms(answer.late));
                }
                anyhow::Ok((wire, sample))
            });
        }
        let mut commanding = JoinSet::new();
        let (each, count) = (Duration::from_secs(1) / COMMANDS_EACH, self.clinicians.len() as u32);
        for (n, mut clinician) in (0_u32..).zip(self.clinicians.drain(..)) {
            commanding.spawn(async move {
                let mut sample = Sample::default();
                for due in dues(begin + each / count * n, each, end) {
                    let free = now();
                    tokio::time::sleep_until(due.into()).await;
                    let from = if free > due { due } else { now() };
                    sample.late_ms.push(ms(now().saturating_duration_since(due)));
                    clinician.command().await?;
                    sample.command_ms.push(ms(from.elapsed()));
                }
                anyhow::Ok((clinician, sample))
            });
        }
        let mut all = Sample::default();
        while let Some(done) = exchanging.join_next().await {
            let (wire, sample) = done??;
            self.wires.push(wire);
            all.add(sample);
        }
        while let Some(done) = commanding.join_next().await {
            let (clinician, sample) = done??;
            self.clinicians.push(clinician);
            all.add(sample);
        }
        Ok(all)
    }
}

impl Clinician {
    /// Invites somebody, or ends the visit of whom was invited before.
    async fn command(&mut self) -> Result<()> {
        let id = command_id();
        let Some(visit) = self.open.take() else {
            let invite = ClientMessage::Invite { id, name: "Synthetic Patient".into(), reason: "".into() };
            match self.who.ask(invite).await? {
                ServerMessage::Invited { visit, .. } => self.open = Some(visit),
                other => bail!("not an invitation: {other:?}"),
            }
            return Ok(());
        };
        self.who.ask(ClientMessage::End { id, visit, outcome: Outcome::PatientAbsent }).await.map(drop)
    }
}

impl Sample {
    fn add(&mut self, other: Self) {
        self.exchange_ms.extend(other.exchange_ms);
        self.command_ms.extend(other.command_ms);
        self.late_ms.extend(other.late_ms);
    }

    /// Of both kinds.
    pub(crate) fn all_ms(&self) -> Vec<f64> {
        [self.exchange_ms.as_slice(), &self.command_ms].concat()
    }
}

/// Visits that are over, so many, in a waiting room: what there is to read in its history. As fast as one page may talk.
pub(crate) async fn fill(room: Link, visits: usize) -> Result<()> {
    let mut clinician = Clinician { who: Participant::join(&room).await?, open: None };
    for _ in 0..visits * 2 {
        clinician.command().await?;
        // Twenty messages a second is what a connection may send for long.
        tokio::time::sleep(Duration::from_millis(52)).await;
    }
    Ok(())
}

fn dues(first: Instant, apart: Duration, end: Instant) -> impl Iterator<Item = Instant> {
    (0_u32..).map(move |n| first + apart * n).take_while(move |due| *due < end)
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
