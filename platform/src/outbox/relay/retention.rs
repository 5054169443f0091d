//! What may be forgotten. Pure.

use crate::{
    event_log::{OutboxMessage, Position},
    limits::{OUTBOX_KEPT, OUTBOX_KEPT_FOR_ABSENT},
};
use model::Timestamp;

/// What is known of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// Everything up to here is published into the store that there is now.
    pub(super) published: Position,
    /// Everything up to here is handled by all consumers.
    pub(super) handled: Position,
    pub(super) now: Timestamp,
}

/// What of a page of the oldest messages may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Forget {
    /// Up to here.
    pub(super) up_to: Option<Position>,
    /// So many of them although a consumer has not handled them.
    pub(super) unread: u64,
}

impl Kept {
    /// Only a beginning can be forgotten: the first message that must stay keeps all after it.
    pub(super) fn judge(&self, page: &[OutboxMessage]) -> Forget {
        let mut forget = Forget::default();
        for message in page.iter().take_while(|message| self.may_go(message)) {
            forget.up_to = Some(message.position);
            forget.unread += u64::from(message.position > self.handled);
        }
        forget
    }

    fn may_go(&self, message: &OutboxMessage) -> bool {
        let keep = if message.position <= self.handled { OUTBOX_KEPT } else { OUTBOX_KEPT_FOR_ABSENT };
        message.position <= self.published && self.now.since(message.at) > keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_log::Partition;
    use model::TenantId;
    use std::time::Duration;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(2_000_000_000_000);
    const MOMENT: Duration = Duration::from_millis(1);

    fn page(ages: &[Duration]) -> Vec<OutboxMessage> {
        let message = |(position, age): (u64, &Duration)| OutboxMessage {
            partition: Partition(0),
            position: Position(position),
            tenant: TenantId(Uuid::nil()),
            subject: "a".to_owned(),
            body: "{}".to_owned(),
            at: Timestamp::from_millis(NOW.as_millis() - age.as_millis() as i64),
        };
        (1..).zip(ages).map(message).collect()
    }

    fn check(published: u64, handled: u64, ages: &[Duration], expect: (Option<u64>, u64)) {
        let kept = Kept { published: Position(published), handled: Position(handled), now: NOW };
        let forget = kept.judge(&page(ages));
        assert_eq!(
            (forget.up_to.map(|up_to| up_to.0), forget.unread),
            expect,
            "{published} {handled} {ages:?}"
        );
    }

    #[test]
    fn what_all_have_handled_goes_after_a_while() {
        let (young, old) = (OUTBOX_KEPT, OUTBOX_KEPT + MOMENT);
        check(3, 3, &[old, old, young], (Some(2), 0));
        check(3, 3, &[young, old, old], (None, 0));
        check(3, 1, &[old, old, old], (Some(1), 0));
        check(3, 0, &[old, old, old], (None, 0));
    }

    #[test]
    fn what_a_consumer_leaves_standing_goes_after_long_and_is_counted() {
        let (young, old) = (OUTBOX_KEPT_FOR_ABSENT, OUTBOX_KEPT_FOR_ABSENT + MOMENT);
        check(3, 1, &[old, old, young], (Some(2), 1));
        check(3, 0, &[old, old, old], (Some(3), 3));
    }

    #[test]
    fn what_is_not_published_stays_however_old_it_is() {
        let old = OUTBOX_KEPT_FOR_ABSENT + MOMENT;
        check(1, 3, &[old, old, old], (Some(1), 0));
        check(0, 0, &[old, old, old], (None, 0));
    }
}
