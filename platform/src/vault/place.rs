//! Where sealed PHI stands: bound to it as additional authenticated data, so that it opens nowhere else.

use model::{TenantId, Timestamp};
use uuid::Uuid;

/// A row and its column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    /// An event of a stream.
    Event { category: &'a str, stream: Uuid, version: u64 },
    /// A stream's snapshot.
    Snapshot { category: &'a str, stream: Uuid, version: u64, schema: u16 },
    /// A row of the audit trail, which has no number yet when it is sealed.
    Audit { action: &'a str, actor: Option<Uuid>, subject: Option<Uuid>, at: Timestamp, body: &'a str },
    /// A row of a projection.
    Row { table: &'a str, generation: u32, key: &'a str },
}

impl Place<'_> {
    /// The column, for what is said and counted.
    pub(super) const fn column(&self) -> &'static str {
        match self {
            Self::Event { .. } => "events.phi",
            Self::Snapshot { .. } => "snapshots.phi",
            Self::Audit { .. } => "audit.phi",
            Self::Row { .. } => "table_rows.phi",
        }
    }

    /// Every part with its length, so that no two places have the same bytes.
    pub(super) fn bytes(&self, tenant: TenantId, scope: Uuid) -> Vec<u8> {
        let mut bytes = Parts(Vec::with_capacity(160));
        bytes.put(b"telehealth phi 1");
        bytes.put(tenant.0.as_bytes());
        bytes.put(self.column().as_bytes());
        bytes.put(scope.as_bytes());
        match self {
            Self::Event { category, stream, version } => {
                bytes.put(category.as_bytes());
                bytes.put(stream.as_bytes());
                bytes.put(&version.to_be_bytes());
            }
            Self::Snapshot { category, stream, version, schema } => {
                bytes.put(category.as_bytes());
                bytes.put(stream.as_bytes());
                bytes.put(&version.to_be_bytes());
                bytes.put(&schema.to_be_bytes());
            }
            Self::Audit { action, actor, subject, at, body } => {
                bytes.put(action.as_bytes());
                bytes.put_id(*actor);
                bytes.put_id(*subject);
                bytes.put(&at.as_millis().to_be_bytes());
                bytes.put(body.as_bytes());
            }
            Self::Row { table, generation, key } => {
                bytes.put(table.as_bytes());
                bytes.put(&generation.to_be_bytes());
                bytes.put(key.as_bytes());
            }
        }
        bytes.0
    }
}

/// Parts, each after its length.
pub(super) struct Parts(pub(super) Vec<u8>);

impl Parts {
    pub(super) fn put(&mut self, part: &[u8]) {
        self.0.extend_from_slice(&(part.len() as u64).to_be_bytes());
        self.0.extend_from_slice(part);
    }

    fn put_id(&mut self, id: Option<Uuid>) {
        self.put(id.as_ref().map_or(&[][..], |id| id.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_differ_wherever_one_part_does() {
        let [one, two] = [1, 2].map(Uuid::from_u128);
        let at = Timestamp::from_millis(5);
        let audit = |action, actor, subject, at, body| Place::Audit { action, actor, subject, at, body };
        let places = [
            Place::Event { category: "visit", stream: one, version: 1 },
            Place::Event { category: "visit", stream: one, version: 2 },
            Place::Event { category: "visit", stream: two, version: 1 },
            Place::Event { category: "visits", stream: one, version: 1 },
            Place::Snapshot { category: "visit", stream: one, version: 1, schema: 1 },
            Place::Snapshot { category: "visit", stream: one, version: 1, schema: 2 },
            audit("a", None, None, at, "{}"),
            audit("a", Some(one), None, at, "{}"),
            audit("a", None, Some(one), at, "{}"),
            audit("a", None, None, Timestamp::from_millis(6), "{}"),
            audit("a{}", None, None, at, ""),
            audit("a", None, None, at, "{ }"),
            Place::Row { table: "t", generation: 0, key: "k" },
            Place::Row { table: "tk", generation: 0, key: "" },
            Place::Row { table: "t", generation: 1, key: "k" },
        ];
        let mut all: Vec<_> = places.iter().map(|place| place.bytes(TenantId(one), one)).collect();
        all.extend(places.iter().map(|place| place.bytes(TenantId(two), one)));
        all.extend(places.iter().map(|place| place.bytes(TenantId(one), two)));
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
