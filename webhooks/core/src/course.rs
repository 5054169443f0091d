//! How sending to one webhook goes on: one event at a time, the next one only after it was accepted.

use crate::{
    limits::{FIRST_RETRY, LONGEST_RETRY, OFF_AFTER},
    webhook::Webhook,
};
use model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What came of sending an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// 2xx.
    Accepted(u16),
    /// Any other status; a redirect is not followed.
    Refused(u16),
    /// The name has no address.
    NoName,
    /// The name leads to an address that is not sent to.
    Forbidden,
    /// Nobody answers there.
    NoConnection,
    /// The certificate is not one to trust, or there is no common version of TLS.
    NotTrusted,
    /// No answer in time.
    TooLate,
    /// What came was no answer.
    Broken,
    /// The address or the secret cannot be read any more: the unit's keys were erased.
    Unreadable,
}

impl Answer {
    /// Whether it is the receiver's from now on.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    /// What to tell whoever looks after it.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Accepted(status) => format!("The receiver accepted it ({status})."),
            Self::Refused(status @ 300..=399) => {
                format!("The receiver answered {status} and sends elsewhere. Nothing is sent there: register the final address.")
            }
            Self::Refused(401 | 403) => {
                "The receiver refused it as not allowed. Has it the webhook's present secret?".to_owned()
            }
            Self::Refused(410) => "The receiver says that it is gone (410).".to_owned(),
            Self::Refused(status) => format!("The receiver answered {status}."),
            Self::NoName => "The name of the receiver has no address.".to_owned(),
            Self::Forbidden => {
                "The name of the receiver leads into a private network, which this server does not send to.".to_owned()
            }
            Self::NoConnection => "Nobody answers at the receiver's address and port.".to_owned(),
            Self::NotTrusted => {
                "The receiver's certificate is not trusted: expired, for another name, or of an unknown authority."
                    .to_owned()
            }
            Self::TooLate => "The receiver did not answer in time.".to_owned(),
            Self::Broken => "What the receiver answered was no HTTP.".to_owned(),
            Self::Unreadable => {
                "The address or the secret was erased. Remove this webhook and add it again.".to_owned()
            }
        }
    }
}

/// Why a webhook is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "WebhookOffBecause")]
pub enum Because {
    /// Nothing but failures for days.
    Failing,
    /// The receiver said that it is gone.
    Gone,
}

/// Since the last time that something was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failing {
    /// When the first of the failures came.
    pub since: Timestamp,
    /// How many there were.
    pub tries: u32,
    /// When to try again.
    pub again: Timestamp,
}

/// Where sending to a webhook is. Kept durably; whoever reads it goes on from there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// The newest of the unit's events that it has had, or is not told of.
    pub cursor: u64,
    /// How often something was sent.
    pub sent: u64,
    /// The number of the newest order that was carried out.
    pub ordered: u64,
    /// Since the last time that something was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// What follows from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next event's turn.
    Next,
    /// The same event, later.
    Again,
    /// Nobody listens: it is to be switched off.
    Off(Because),
}

impl Course {
    /// Of a webhook that hears of what comes after an event.
    #[must_use]
    pub fn after(cursor: u64) -> Self {
        Self { cursor, ..Self::default() }
    }

    /// Carries out what somebody has ordered meanwhile. Whether anything was.
    pub fn obey(&mut self, webhook: &Webhook) -> bool {
        let new = webhook.orders.iter().filter(|order| order.number > self.ordered);
        let from = new.filter_map(|order| order.from).min();
        if webhook.ordered() <= self.ordered {
            return false;
        }
        // Whoever orders it has something to try.
        (self.ordered, self.failing) = (webhook.ordered(), None);
        if let Some(from) = from {
            self.cursor = self.cursor.min(from.saturating_sub(1));
        }
        true
    }

    /// When the next event may be sent: at once, or not before a time.
    #[must_use]
    pub const fn not_before(&self) -> Option<Timestamp> {
        match self.failing {
            Some(Failing { again, .. }) => Some(again),
            None => None,
        }
    }

    /// Passes over events that the webhook is not told of.
    pub fn pass(&mut self, place: u64) {
        self.cursor = self.cursor.max(place);
    }

    /// An event was sent, and this came of it. `random` decides on the pause within its bounds.
    pub fn answered(&mut self, place: u64, answer: Answer, now: Timestamp, random: u32) -> Verdict {
        self.sent += 1;
        if answer.is_accepted() {
            (self.cursor, self.failing) = (self.cursor.max(place), None);
            return Verdict::Next;
        }
        let Failing { since, tries, .. } =
            self.failing.unwrap_or(Failing { since: now, tries: 0, again: now });
        let again = now + pause(tries, random);
        self.failing = Some(Failing { since, tries: tries.saturating_add(1), again });
        match answer {
            Answer::Refused(410) => Verdict::Off(Because::Gone),
            _ if now.since(since) >= OFF_AFTER => Verdict::Off(Because::Failing),
            _ => Verdict::Again,
        }
    }
}

/// The pause after a failure that so many came before: between half of a time that doubles and all of it, so that webhooks
/// that failed together do not come back together.
#[must_use]
pub fn pause(before: u32, random: u32) -> Duration {
    let whole = FIRST_RETRY.saturating_mul(1 << before.min(30)).min(LONGEST_RETRY);
    let half = whole / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
