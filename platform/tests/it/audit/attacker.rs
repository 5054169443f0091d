//! Somebody who can write whatever they like to the database, and cannot sign.

use super::{CHAIN, TENANT};
use platform::audit::{Seal, seal};
use rusqlite::{Connection, params};
use testkit::event_log::DECIDED;
use uuid::Uuid;

/// Numbers that look random and are the same each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// From `low` to `high`, both included.
    pub(crate) fn roll(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (self.0 >> 33) % (high - low + 1)
    }
}

pub(crate) struct Attacker(pub(crate) Connection);

impl Attacker {
    pub(crate) fn on(path: &std::path::Path) -> Self {
        let connection = Connection::open(path).unwrap();
        // Only for speed, and not while somebody else has it open.
        let _ = connection.execute_batch("PRAGMA journal_mode = MEMORY");
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
        Self(connection)
    }

    fn run(&self, sql: &str, number: u64) -> usize {
        let sql = format!("{sql} AND tenant = ?2 AND partition = 0");
        self.0.execute(&sql, params![number, TENANT.0.as_bytes()]).unwrap()
    }

    /// Changes one thing of a row.
    pub(crate) fn edit(&self, number: u64, dice: &mut Dice) {
        let changes = [
            "at = at + 1",
            "action = 'visit.deny'",
            "actor = x'00112233445566778899aabbccddeeff'",
            "subject = x'00112233445566778899aabbccddeeff'",
            "body = '{\"n\":-1}'",
            "phi = '{\"name\":\"nobody\"}'",
            "phi = CASE WHEN phi IS NULL THEN '' END",
        ];
        let change = changes[dice.roll(0, changes.len() as u64 - 1) as usize];
        assert_eq!(self.run(&format!("UPDATE audit SET {change} WHERE number = ?1"), number), 1);
    }

    pub(crate) fn delete(&self, number: u64) {
        assert_eq!(self.run("DELETE FROM audit WHERE number = ?1", number), 1);
    }

    /// Gives all rows from a number on other numbers, `by` more or less.
    pub(crate) fn renumber(&self, from: u64, by: i64) {
        self.run(&format!("UPDATE audit SET number = -(number + {by}) WHERE number >= ?1"), from);
        self.run("UPDATE audit SET number = -number WHERE number < ?1", 0);
    }

    /// A row that never was.
    pub(crate) fn insert(&self, number: u64, at_s: u64) {
        let at = (DECIDED + std::time::Duration::from_secs(at_s)).as_millis();
        let sql = "INSERT INTO audit (tenant, partition, number, at, action, actor, subject, body, phi) \
                   VALUES (?1, 0, ?2, ?3, 'visit.admit', ?4, NULL, '{\"n\":-7}', NULL)";
        let actor = Uuid::from_u128(u128::from(number));
        self.0.execute(sql, params![TENANT.0.as_bytes(), number, at, actor.as_bytes()]).unwrap();
    }

    /// Two rows change places, and keep the numbers of their places.
    pub(crate) fn swap(&self, one: u64, other: u64) {
        self.run(&format!("UPDATE audit SET number = -{other} WHERE number = ?1"), one);
        self.run(&format!("UPDATE audit SET number = {one} WHERE number = ?1"), other);
        self.run("UPDATE audit SET number = -number WHERE number < ?1", 0);
    }

    /// A row is put behind a later one, and those between move up.
    pub(crate) fn move_behind(&self, row: u64, other: u64) {
        self.run(&format!("UPDATE audit SET number = -{other} WHERE number = ?1"), row);
        for number in row + 1..=other {
            self.run(&format!("UPDATE audit SET number = {} WHERE number = ?1", number - 1), number);
        }
        self.run("UPDATE audit SET number = -number WHERE number < ?1", 0);
    }

    /// All rows behind one are gone.
    pub(crate) fn truncate(&self, number: u64) {
        self.run("DELETE FROM audit WHERE number > ?1", number);
    }

    fn stream(&self) -> i64 {
        let id = seal::stream(CHAIN).id;
        let sql = "SELECT number FROM streams WHERE category = 'audit-seal' AND tenant = ?1 AND stream = ?2";
        let which = params![TENANT.0.as_bytes(), id.as_bytes()];
        self.0.query_row(sql, which, |row| row.get(0)).unwrap()
    }

    /// All seals behind one are gone, and the log counts as if they had never been.
    pub(crate) fn forget_seals(&self, after: u64) {
        let stream = self.stream();
        self.0.execute("DELETE FROM events WHERE stream = ?1 AND version > ?2", (stream, after)).unwrap();
        let last = "SELECT ifnull(max(position), 2 << 56) - (2 << 56) FROM events WHERE position > (2 << 56)";
        self.0.execute(&format!("UPDATE ends SET event = ({last}) WHERE partition = 2"), ()).unwrap();
    }

    pub(crate) fn delete_seal(&self, number: u64) {
        let sql = "DELETE FROM events WHERE stream = ?1 AND version = ?2";
        assert_eq!(self.0.execute(sql, (self.stream(), number)).unwrap(), 1);
    }

    /// Something else stands where a seal was.
    pub(crate) fn replace_seal(&self, seal: &Seal) {
        let sql = "UPDATE events SET body = ?3 WHERE stream = ?1 AND version = ?2";
        let which = (self.stream(), seal.number, seal.event().body);
        assert_eq!(self.0.execute(sql, which).unwrap(), 1);
    }
}
