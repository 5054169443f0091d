//! What is asked of Redis. Entries of one kind of one tenant lie in two keys of one slot: `index` (a
//! sorted set of ids by when they expire) and `values` (a hash of ids to stamp and value). A stamp has
//! 16 digits: microseconds since 1970 have as many until the year 2286. Scripts use the server's clock, so
//! that those of the processes do not matter.

use super::held::Announcement;
use crate::{
    limits::PRESENCE_TTL,
    presence::{Key, PresenceError},
};
use bytes::Bytes;
use model::TenantId;
use redis::{Cmd, FromRedisValue as _, Value};

const ANNOUNCE: &str = include_str!("announce.lua");
const WITHDRAW: &str = include_str!("withdraw.lua");
const GET: &str = include_str!("get.lua");
const LIST: &str = include_str!("list.lua");

pub(super) fn announce(key: &Key, announcement: &Announcement) -> Cmd {
    let age = if announcement.stamp == 0 { announcement.since.elapsed().as_micros() } else { 0 };
    let mut command = script(ANNOUNCE, key.kind, key.tenant);
    command.arg(&key.id).arg(announcement.stamp).arg(age.to_string());
    command.arg(announcement.ttl.as_millis().to_string()).arg(announcement.value.as_ref());
    command.arg(PRESENCE_TTL.end().as_millis().to_string());
    command
}

pub(super) fn withdraw(key: &Key, stamp: u64) -> Cmd {
    let mut command = script(WITHDRAW, key.kind, key.tenant);
    command.arg(&key.id).arg(stamp);
    command
}

pub(super) fn get(key: &Key) -> Cmd {
    let mut command = script(GET, key.kind, key.tenant);
    command.arg(&key.id);
    command
}

pub(super) fn list(kind: &str, tenant: Option<TenantId>, limit: usize) -> Cmd {
    let mut command = script(LIST, kind, tenant);
    command.arg(limit);
    command
}

/// Sets a mark where there is none, and answers which there was.
pub(super) fn mark(mark: &str) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg("th:presence:mark").arg(mark).arg("NX").arg("GET");
    command
}

/// `EVAL` and not `EVALSHA`: a server that was just promoted or restarted knows no script yet.
fn script(text: &str, kind: &str, tenant: Option<TenantId>) -> Cmd {
    let tenant = tenant.map_or_else(|| "-".into(), |tenant| tenant.to_string());
    let slot = format!("th:presence:{{{kind}/{tenant}}}");
    let mut command = redis::cmd("EVAL");
    command.arg(text).arg(2).arg(format!("{slot}:index")).arg(format!("{slot}:values"));
    command
}

/// When Redis first heard the announcement; `None` when it has a newer one.
pub(super) fn stamp(answer: &Value) -> Result<Option<u64>, PresenceError> {
    let stamp = u64::from_redis_value_ref(answer).map_err(|_| PresenceError::Unavailable)?;
    Ok((stamp > 0).then_some(stamp))
}

pub(super) fn value(answer: Value) -> Result<Option<Bytes>, PresenceError> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(value) => Ok(Some(value.into())),
        _ => Err(PresenceError::Unavailable),
    }
}

pub(super) fn entries(answer: Value) -> Result<Vec<(String, Bytes)>, PresenceError> {
    let flat = Vec::<Vec<u8>>::from_redis_value(answer).map_err(|_| PresenceError::Unavailable)?;
    let mut flat = flat.into_iter();
    let mut entries = Vec::with_capacity(flat.len() / 2);
    while let (Some(id), Some(value)) = (flat.next(), flat.next()) {
        let id = String::from_utf8(id).map_err(|_| PresenceError::Unavailable)?;
        entries.push((id, Bytes::from(value)));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_kind_and_tenant_lie_in_one_slot() {
        let packed =
            String::from_utf8(get(&Key::new("node", None, "a").unwrap()).get_packed_command()).unwrap();
        assert!(
            packed.contains("th:presence:{node/-}:index") && packed.contains("th:presence:{node/-}:values")
        );
    }
}
