use super::*;
use crate::{
    event_log::{Category, Fence, NewEvent},
    lane::Lane,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const SCOPE: Uuid = Uuid::from_u128(7);

fn stream(n: u128) -> StreamId {
    let category = Category { name: "visit", lane: Lane::Critical };
    StreamId { tenant: TenantId(Uuid::nil()), category, id: Uuid::from_u128(n) }
}

fn append(of: u128, expected: u64, key: u128) -> Append {
    let event = NewEvent { kind: "noted", schema: 1, body: "{}".to_owned(), phi: None, effective: None };
    Append {
        key: Some(CommandId(Uuid::from_u128(key))),
        fence: Some(Fence { scope: SCOPE, epoch: Epoch(1) }),
        ..Append::new(stream(of), Version(expected), vec![event], NOW)
    }
}

/// A state that has seen a few streams, all of them empty.
fn state() -> State {
    let mut state = State { away: true, ..State::default() };
    for n in 0..4 {
        state.seen.learn(stream(n), Version(0));
    }
    state
}

fn in_line(state: &mut State, append: Append, seq: u64) -> Arc<Entry> {
    match state.judge(append, 100, seq, NOW) {
        Judgement::InLine(entry) => entry,
        other => panic!("{other:?}"),
    }
}

fn refused(state: &mut State, append: Append, body: usize) -> Refusal {
    match state.judge(append, body, 0, NOW) {
        Judgement::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_holds_as_many_entries_as_it_says_parked_ones_included() {
    let mut state = state();
    let parked = in_line(&mut state, append(1, 0, 0), 1);
    state.make_durable(&parked);
    assert!(state.take_line(stream(1)).is_some());
    state.lost.clear();
    let mut first = None;
    for n in 0..MAX_JOURNAL_ENTRIES as u64 - 1 {
        let entry = in_line(&mut state, append(0, n, n.into()), n + 2);
        state.make_durable(&entry);
        first.get_or_insert(entry);
    }
    let last = MAX_JOURNAL_ENTRIES as u64 - 1;
    assert_eq!(refused(&mut state, append(0, last, last.into()), 100), Refusal::Unavailable);
    let again = state.judge(append(0, 0, 0), 100, 0, NOW);
    assert!(matches!(again, Judgement::Repeated), "what is there is still said: {again:?}");
    state.replayed(&first.expect("there is one"));
    in_line(&mut state, append(0, last, last.into()), last + 2);
    assert_eq!(refused(&mut state, append(0, last + 1, 1 << 64), 100), Refusal::Unavailable);
    state.discarded(parked.bytes);
    in_line(&mut state, append(0, last + 1, 1 << 64), last + 3);
}

#[test]
fn it_holds_as_many_bytes_as_it_says() {
    let mut state = state();
    let first = in_line(&mut state, append(0, 0, 0), 1);
    let left = (MAX_JOURNAL_BYTES - first.bytes - entry::size(0)) as usize;
    assert_eq!(refused(&mut state, append(0, 1, 1), left + 1), Refusal::Unavailable);
    assert!(matches!(state.judge(append(0, 1, 1), left, 2, NOW), Judgement::InLine(_)));
    assert_eq!(state.waiting.bytes, MAX_JOURNAL_BYTES);
    assert_eq!(refused(&mut state, append(1, 0, 2), 0), Refusal::Unavailable);
}

#[test]
fn a_stream_is_replayed_in_order_by_one_at_a_time_and_the_oldest_first() {
    let mut state = state();
    let second = in_line(&mut state, append(1, 0, 0), 5);
    let first = in_line(&mut state, append(0, 0, 0), 3);
    assert_eq!(state.next_ready(), None, "nothing of it is on disk");
    state.make_durable(&second);
    state.make_durable(&first);
    let behind = in_line(&mut state, append(0, 1, 1), 6);
    assert_eq!(state.next_ready(), Some(stream(0)));
    assert_eq!(state.next_ready(), Some(stream(1)));
    assert_eq!(state.next_ready(), None);
    state.make_durable(&behind);
    assert_eq!(state.next_ready(), None, "somebody is at it");
    assert_eq!(state.first(stream(0)).map(|entry| entry.seq), Some(3));
    state.replayed(&first);
    assert_eq!(state.first(stream(0)).map(|entry| entry.seq), Some(6));
    state.give_back(stream(0));
    assert_eq!(state.next_ready(), Some(stream(0)));
    state.replayed(&behind);
    assert_eq!(state.route(&append(0, 2, 2)), Route::Journal, "until nobody is at it");
    state.away = false;
    state.give_back(stream(0));
    assert_eq!(state.route(&append(0, 2, 2)), Route::Store { in_doubt: true });
}

#[test]
fn what_is_not_on_disk_after_all_leaves_nothing_behind() {
    let mut state = state();
    let entries =
        [(0, 0), (1, 1)].map(|(expected, key)| in_line(&mut state, append(0, expected, key), expected + 1));
    for entry in entries.iter().rev() {
        state.undo(entry);
    }
    assert_eq!((state.waiting, state.unrecorded()), (Amount::default(), 0));
    assert!(state.begin_taking((stream(0).tenant, SCOPE)).is_err(), "the store is away");
    state.away = false;
    assert_eq!(state.begin_taking((stream(0).tenant, SCOPE)), Ok(()));
    state.end_taking((stream(0).tenant, SCOPE));
    in_line(&mut state, append(0, 0, 5), 2);
}

#[test]
fn a_line_that_could_not_be_parked_stands_where_it_stood() {
    let mut state = state();
    let first = in_line(&mut state, append(0, 0, 0), 1);
    state.make_durable(&first);
    let young = in_line(&mut state, append(0, 1, 1), 2);
    let (waiting, scope) = (state.waiting, (stream(0).tenant, SCOPE));
    assert_eq!(state.next_ready(), Some(stream(0)));
    let line = state.take_line(stream(0)).expect("there is one");
    assert_eq!((state.waiting.entries, state.parked.entries), (0, 2));
    assert_eq!(state.route(&append(0, 2, 2)), Route::Lost);
    assert!(state.is_ahead(stream(0)));
    state.put_back(stream(0), line);
    assert_eq!((state.waiting, state.parked, state.unrecorded()), (waiting, Amount::default(), 1));
    assert_eq!(state.route(&append(0, 2, 2)), Route::Journal);
    state.give_back(stream(0));
    state.undo(&young);
    assert_eq!(state.next_ready(), Some(stream(0)));
    assert!(state.scopes.contains_key(&scope));
    state.replayed(&first);
    state.give_back(stream(0));
    assert!(!state.scopes.contains_key(&scope) && !state.is_ahead(stream(0)));
}

#[test]
fn who_had_something_parked_writes_nothing_until_the_scope_is_taken_again() {
    let mut state = state();
    let first = in_line(&mut state, append(0, 0, 0), 1);
    state.make_durable(&first);
    assert!(state.take_line(stream(0)).is_some());
    assert_eq!(state.route(&append(1, 0, 0)), Route::Lost, "another stream of the same owner");
    assert_eq!(refused(&mut state, append(1, 0, 0), 10), Refusal::Fenced);
    state.taken((stream(0).tenant, SCOPE));
    assert_eq!(state.route(&append(1, 0, 0)), Route::Journal);
    assert!(!state.is_ahead(stream(0)));
    assert_eq!(refused(&mut state, append(0, 1, 1), 10), Refusal::Unavailable, "it must be read again");
}
