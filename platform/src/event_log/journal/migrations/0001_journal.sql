-- Appends that the store has not recorded yet, in the order in which they were acknowledged, and those that it will
-- not record any more (parked says why).
CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    tenant BLOB NOT NULL,
    category TEXT NOT NULL,
    lane INTEGER NOT NULL,
    stream BLOB NOT NULL,
    key BLOB NOT NULL,
    scope BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    expected INTEGER NOT NULL,
    at INTEGER NOT NULL,
    since INTEGER NOT NULL,
    body BLOB NOT NULL,
    parked TEXT
) STRICT;
CREATE INDEX entries_parked ON entries (seq) WHERE parked IS NOT NULL;
