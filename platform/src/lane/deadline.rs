//! Until when anybody waits for work, so that nobody works for somebody who has gone.
//!
//! It comes with a request as a budget (`x-request-budget-ms: 1500`), not as a time of day: clocks differ. Inside the
//! process it is a moment that travels with the task: whatever a handler calls asks [`current`], and does not begin
//! what cannot end in time. A task that a handler spawns has no deadline unless it is given one with [`scope`].

use super::Lane;
use crate::limits::{MAX_BUDGET, MAX_BUDGET_DIGITS};
use axum::http::HeaderMap;
use std::time::Duration;
use tokio::time::Instant;

/// The header that carries a budget in whole milliseconds.
pub const HEADER: &str = "x-request-budget-ms";

/// The header is not a number of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{HEADER} is a number of milliseconds of at most {MAX_BUDGET_DIGITS} digits")]
pub struct BadBudget;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// The budget that a header's value gives, at most the lane's longest; that, if there is none.
///
/// # Errors
/// It is something else than a few digits.
pub fn budget(lane: Lane, header: Option<&[u8]>) -> Result<Duration, BadBudget> {
    let longest = MAX_BUDGET[lane.index()];
    let Some(digits) = header else { return Ok(longest) };
    let fits = (1..=MAX_BUDGET_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let ms = digits
        .iter()
        .fold(0_u64, |ms, digit| ms.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0'))));
    if fits { Ok(Duration::from_millis(ms).min(longest)) } else { Err(BadBudget) }
}

/// The deadline that a request of another process brings, if it brings one: at most the critical lane's longest.
///
/// # Errors
/// Its header is something else than a few digits.
pub fn of_request(headers: &HeaderMap) -> Result<Option<Instant>, BadBudget> {
    let Some(header) = headers.get(HEADER) else { return Ok(None) };
    Ok(Some(Instant::now() + budget(Lane::Critical, Some(header.as_bytes()))?))
}

/// Lets a future's work know its deadline. It is not cut off by this.
pub async fn scope<T>(deadline: Instant, work: impl Future<Output = T>) -> T {
    DEADLINE.scope(deadline, work).await
}

/// The deadline of the work that asks, if it has one.
pub fn current() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

/// What is left until the deadline of the work that asks, as [`HEADER`] carries it to another process; nothing when
/// there is no deadline.
pub fn left() -> Option<String> {
    let left = current()?.saturating_duration_since(Instant::now());
    Some(left.as_millis().to_string())
}

/// Whether nobody waits any more for the work that asks.
pub fn has_passed() -> bool {
    current().is_some_and(|deadline| deadline <= Instant::now())
}

/// What a future says, or nothing if the deadline of the work that asks passes before.
pub async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    match current() {
        Some(deadline) => tokio::time::timeout_at(deadline, work).await.ok(),
        None => Some(work.await),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_budget_is_a_few_digits_and_is_cut_to_the_longest_of_its_lane() {
        for lane in Lane::ALL {
            let longest = MAX_BUDGET[lane.index()];
            let ms = longest.as_millis() as u64;
            assert_eq!(budget(lane, None), Ok(longest));
            assert_eq!(budget(lane, Some(b"0")), Ok(Duration::ZERO));
            assert_eq!(budget(lane, Some(b"250")), Ok(Duration::from_millis(250)));
            let say = |ms: u64| budget(lane, Some(ms.to_string().as_bytes()));
            assert_eq!(say(ms - 1), Ok(Duration::from_millis(ms - 1)));
            assert_eq!(say(ms + 1), Ok(longest));
            assert_eq!(budget(lane, Some(&[b'9'; MAX_BUDGET_DIGITS])), Ok(longest));
            for bad in [&[b'0'; MAX_BUDGET_DIGITS + 1][..], b"", b"-1", b"+1", b"1.5", b" 1", b"1s", b"\xff"]
            {
                assert_eq!(budget(lane, Some(bad)), Err(BadBudget), "{bad:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_budget_within_the_limit_or_none(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(budget) = budget(Lane::Batch, Some(&bytes)) {
                prop_assert!(budget <= MAX_BUDGET[Lane::Batch.index()]);
                prop_assert!(bytes.iter().all(u8::is_ascii_digit));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_travels_with_the_task_and_ends_what_waits_within_it() {
        assert_eq!((current(), has_passed(), left()), (None, false, None));
        assert_eq!(within(async { 7 }).await, Some(7));
        let deadline = Instant::now() + Duration::from_millis(50);
        scope(deadline, async {
            assert_eq!((current(), has_passed()), (Some(deadline), false));
            assert_eq!(left().as_deref(), Some("50"));
            assert_eq!(within(async { 7 }).await, Some(7));
            assert_eq!(within(std::future::pending::<()>()).await, None);
            assert!(has_passed() && Instant::now() < deadline + Duration::from_millis(5));
            assert_eq!(left().as_deref(), Some("0"));
        })
        .await;
        assert_eq!(current(), None);
    }
}
