//! The mirror by itself: what it says, in which order, and when it gives up.

use super::*;
use crate::protocol::{Existing as Listed, Refusal, Tell};
use model::TenantId;
use prometheus::Registry;
use sfu_core::port::Affinity;
use std::time::Duration;

const KEY: Key = (TenantId(Uuid::from_u128(1)), Affinity(7));
const ROOM: RoomId = RoomId(Uuid::from_u128(2));

fn claim(epoch: u64) -> Claim {
    Claim { tenant: KEY.0, affinity: KEY.1, epoch: Epoch(epoch) }
}

fn hello(boot: u128) -> Hello {
    let load = Load { sessions: 0, capacity: 10, ..Load::default() };
    let (node, region) = ("one".to_owned(), String::new());
    Hello { version: 1, capabilities: Vec::new(), node, boot: Uuid::from_u128(boot), region, load }
}

fn listed(session: u64, room: Option<RoomId>, connected: bool) -> Listed {
    Listed {
        session,
        participant: ParticipantId(Uuid::from_u128(session.into())),
        direction: crate::protocol::Direction::Both,
        room,
        connected: connected.then(|| "udp".to_owned()),
        slots: None,
        screen: None,
    }
}

/// A mirror with its stream up and one affinity claimed, where the node has these sessions.
struct Stage {
    mirror: Mirror,
    now: Instant,
    found: Vec<SessionId>,
}

impl Stage {
    fn new(sessions: Vec<Listed>) -> Self {
        let now = Instant::now();
        let mut mirror = Mirror::new(3, Metrics::new(&Registry::new()).unwrap(), now);
        mirror.up(hello(1));
        let (waiter, mut answer) = oneshot::channel();
        mirror.claim(claim(1), Some(waiter));
        let mut stage = Self { mirror, now, found: Vec::new() };
        let call = stage.says("claim");
        stage.hear(Tell::Claimed { call, sessions });
        stage.found = answer.try_recv().unwrap().unwrap().iter().map(|existing| existing.session).collect();
        stage
    }

    /// The next message, which is of this kind; its number.
    fn says(&mut self, kind: &str) -> u64 {
        let text = self.mirror.next(self.now).unwrap_or_else(|| panic!("nothing is said; not {kind}"));
        let ask: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(ask["type"], kind, "{text}");
        ask["call"].as_u64().unwrap()
    }

    fn silent(&mut self) -> bool {
        self.mirror.next(self.now).is_none()
    }

    fn hear(&mut self, tell: Tell) {
        assert_eq!(self.mirror.heard(tell, self.now), None);
    }

    fn refuse(&mut self, call: u64, code: &str) {
        self.hear(Tell::Refused { call, error: Refusal { code: code.to_owned() } });
    }

    fn events(&mut self) -> Vec<MediaEvent> {
        self.mirror.told.drain(..).collect()
    }
}

#[test]
fn numbers_are_the_processs_own_and_begin_with_the_nodes_slot() {
    let stage = Stage::new(vec![listed(1, None, true), listed(2, None, true)]);
    assert_eq!(stage.found, [SessionId((3 << 48) + 1), SessionId((3 << 48) + 2)]);
}

#[test]
fn only_the_last_wish_is_said_and_again_when_the_node_was_busy() {
    let mut stage = Stage::new(vec![listed(1, None, true)]);
    let session = stage.found[0];
    for room in [Some(ROOM), None, Some(ROOM)] {
        stage.mirror.seat(session, room).unwrap();
    }
    let call = stage.says("seat");
    assert!(stage.silent());
    stage.refuse(call, "busy");
    assert!(stage.silent(), "not at once");
    stage.mirror.try_again(stage.now);
    let call = stage.says("seat");
    stage.hear(Tell::Done { call });
    stage.mirror.try_again(stage.now);
    assert!(stage.silent());
}

#[test]
fn a_seat_that_cannot_be_is_a_session_closed() {
    let mut stage = Stage::new(vec![listed(1, None, true)]);
    let session = stage.found[0];
    stage.mirror.seat(session, Some(ROOM)).unwrap();
    let call = stage.says("seat");
    stage.refuse(call, "no-such-session");
    assert_eq!(stage.events(), [MediaEvent::Closed { session, reason: ClosedReason::Failed }]);
    assert_eq!(stage.mirror.seat(session, None), Err(MediaError::NoSuchSession));
}

#[test]
fn after_a_broken_stream_who_speaks_is_said_first_and_only_what_differs_again() {
    let mut stage = Stage::new(vec![listed(1, None, true), listed(2, None, true), listed(3, None, true)]);
    let [moved, same, gone] = stage.found[..] else { panic!("three sessions") };
    stage.mirror.seat(moved, Some(ROOM)).unwrap();
    stage.says("seat");
    stage.mirror.down(stage.now);
    stage.mirror.up(hello(1));
    let call = stage.says("claim");
    assert!(stage.silent(), "the rest follows from the answer");
    let late = listed(4, Some(ROOM), true);
    let sessions = vec![listed(1, None, true), listed(2, None, true), late, listed(5, None, false)];
    stage.hear(Tell::Claimed { call, sessions });
    stage.says("disconnect");
    stage.says("seat");
    assert!(stage.silent());
    let events = stage.events();
    assert_eq!(events[0], MediaEvent::Closed { session: gone, reason: ClosedReason::Failed });
    let MediaEvent::Found { tenant, existing } = &events[1] else { panic!("{events:?}") };
    assert_eq!((*tenant, existing.affinity), KEY);
    assert_eq!((existing.room, events.len()), (Some(ROOM), 2), "the unconnected one is of no use to anybody");
    assert_eq!(stage.mirror.seat(same, None), Ok(()));
}

/// A claim is answered while a connect is under way: the node lists its session before it has answered.
#[test]
fn a_session_that_is_listed_before_its_answer_is_the_same_and_stays() {
    let mut stage = Stage::new(Vec::new());
    let (waiter, mut answer) = oneshot::channel();
    let (tenant, affinity) = KEY;
    let (participant, direction) = (ParticipantId(Uuid::from_u128(9)), Direction::Both);
    let offer = "v=0".to_owned();
    let connect = Connect { tenant, participant, affinity, direction, room: None, offer };
    stage.mirror.connect(connect, waiter).unwrap();
    let connecting = stage.says("connect");
    stage.mirror.claim(claim(1), None);
    let call = stage.says("claim");
    stage.hear(Tell::Claimed { call, sessions: vec![listed(9, None, false)] });
    assert!(stage.silent() && stage.events().is_empty());
    stage.hear(Tell::Slots { session: 9, slots: vec![None], screen: None });
    stage.hear(Tell::Answer { call: connecting, session: 9, sdp: "v=0".into() });
    let session = answer.try_recv().unwrap().unwrap().session;
    assert_eq!(stage.events(), [MediaEvent::Slots { session, slots: vec![None], screen: None }]);
    assert_eq!((stage.mirror.len(), stage.mirror.seat(session, Some(ROOM))), (1, Ok(())));
}

#[test]
fn another_boot_is_the_end_of_every_session() {
    let mut stage = Stage::new(vec![listed(1, Some(ROOM), true)]);
    let session = stage.found[0];
    stage.mirror.down(stage.now);
    assert!(stage.events().is_empty());
    stage.mirror.up(hello(2));
    assert_eq!(stage.events(), [MediaEvent::Closed { session, reason: ClosedReason::Failed }]);
}

#[test]
fn a_question_without_an_answer_for_as_long_as_the_limit_is_a_broken_stream() {
    let mut stage = Stage::new(vec![listed(1, None, true)]);
    stage.mirror.seat(stage.found[0], Some(ROOM)).unwrap();
    let call = stage.says("seat");
    let at = stage.now + limits::ANSWER_WITHIN;
    assert!(!stage.mirror.is_stuck(at - Duration::from_millis(1)));
    assert!(stage.mirror.is_stuck(at));
    stage.hear(Tell::Done { call });
    assert!(!stage.mirror.is_stuck(at));
}

#[test]
fn a_refusal_of_an_older_epoch_says_nothing_of_the_newer() {
    let mut stage = Stage::new(vec![listed(1, None, true)]);
    let session = stage.found[0];
    stage.mirror.seat(session, Some(ROOM)).unwrap();
    let call = stage.says("seat");
    stage.mirror.claim(claim(2), None);
    stage.refuse(call, "fenced");
    assert_eq!(stage.mirror.seat(session, None), Ok(()));
}

#[test]
fn what_somebody_else_took_is_fenced_and_forgotten_after_as_long_as_the_limit() {
    let mut stage = Stage::new(vec![listed(1, None, true)]);
    let session = stage.found[0];
    stage.hear(Tell::Fenced { tenant: KEY.0, affinity: Uuid::from_u128(KEY.1.0), epoch: Epoch(2) });
    let at = stage.now + limits::FENCED_KEPT;
    stage.mirror.try_again(at - Duration::from_millis(1));
    assert_eq!(stage.mirror.seat(session, None), Err(MediaError::Fenced));
    stage.mirror.try_again(at);
    assert_eq!(stage.mirror.seat(session, None), Err(MediaError::NoSuchSession));
    assert_eq!(stage.mirror.len(), 0);
    assert!(stage.events().is_empty(), "its sessions go on");
}

#[test]
fn as_many_sessions_as_the_limit_and_no_more() {
    let mut stage = Stage::new(vec![listed(1, None, true)]);
    let connect = |mirror: &mut Mirror| {
        let (tenant, affinity) = KEY;
        let (participant, direction) = (ParticipantId(Uuid::nil()), Direction::Both);
        let offer = "v=0".to_owned();
        mirror.connect(
            Connect { tenant, participant, affinity, direction, room: None, offer },
            oneshot::channel().0,
        )
    };
    for n in 2..limits::MAX_SESSIONS as u64 {
        let room = Some(ROOM);
        let (participant, direction) = (ParticipantId(Uuid::nil()), Direction::Both);
        let (connected, shown) = (None, None);
        let (unanswered, ending, lost) = (false, false, false);
        let known = Known {
            key: KEY,
            remote: n,
            participant,
            direction,
            room,
            connected,
            trace: None,
            shown,
            unanswered,
            ending,
            lost,
        };
        stage.mirror.add(known);
    }
    assert_eq!(connect(&mut stage.mirror), Ok(()), "the last");
    assert_eq!(connect(&mut stage.mirror), Err(MediaError::Busy), "and one more");
}

#[test]
fn as_many_claims_as_the_limit_and_no_more() {
    let mut stage = Stage::new(Vec::new());
    for n in 0..limits::MAX_CLAIMS as u128 - 1 {
        stage.mirror.claim(Claim { affinity: Affinity(1_000 + n), ..claim(1) }, None);
    }
    let (waiter, mut answer) = oneshot::channel();
    stage.mirror.claim(Claim { affinity: Affinity(1), ..claim(1) }, Some(waiter));
    assert_eq!(answer.try_recv().unwrap(), Err(MediaError::Busy));
    let (waiter, mut answer) = oneshot::channel();
    stage.mirror.claim(claim(2), Some(waiter));
    assert!(answer.try_recv().is_err(), "again is not one more");
}
