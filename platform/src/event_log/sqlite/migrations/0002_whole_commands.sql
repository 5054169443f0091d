-- Streams get numbers, so that what is written of each command stays small. Where a stream is, its events say.
CREATE TABLE numbered (
    number   INTEGER PRIMARY KEY,
    tenant   BLOB    NOT NULL CHECK (length(tenant) = 16),
    category TEXT    NOT NULL CHECK (length(category) BETWEEN 1 AND 32),
    stream   BLOB    NOT NULL CHECK (length(stream) = 16),
    UNIQUE (category, tenant, stream)
);
INSERT INTO numbered (tenant, category, stream)
    SELECT tenant, category, stream FROM streams ORDER BY category, tenant, stream;

-- A partition is a lane. The rowids of events and messages are their partition, times 2^56, plus their position in it:
-- until now there was only partition 0.
-- `at` is when it was decided, and so since when it is known; `effective` since when it is true, if not since then.
CREATE TABLE history (
    position  INTEGER PRIMARY KEY,
    stream    INTEGER NOT NULL,
    version   INTEGER NOT NULL CHECK (version > 0),
    kind      TEXT    NOT NULL,
    schema    INTEGER NOT NULL,
    body      TEXT    NOT NULL,
    phi       TEXT,
    at        INTEGER NOT NULL,
    effective INTEGER
);
INSERT INTO history (position, stream, version, kind, schema, body, phi, at)
    SELECT row_number() OVER (ORDER BY e.seq), n.number, e.version, e.kind, e.schema, e.body, e.phi, e.at
    FROM events e JOIN numbered n USING (category, tenant, stream);
CREATE UNIQUE INDEX history_of_stream ON history (stream, version);

-- A command is carried out once: the version its events ended at, and what it was answered.
CREATE TABLE answered (
    stream  INTEGER NOT NULL,
    command BLOB    NOT NULL CHECK (length(command) = 16),
    version INTEGER NOT NULL,
    answer  TEXT,
    -- In this order because ids are mostly made in the order of time: new rows then stand side by side.
    PRIMARY KEY (command, stream)
) WITHOUT ROWID;
INSERT INTO answered (stream, command, version)
    SELECT n.number, c.command, c.version FROM commands c JOIN numbered n USING (category, tenant, stream);

DROP TABLE commands;
DROP TABLE events;
DROP TABLE streams;
ALTER TABLE numbered RENAME TO streams;
ALTER TABLE history RENAME TO events;
ALTER TABLE answered RENAME TO commands;

-- Messages for other services, recorded with the events that caused them. AUTOINCREMENT is not needed: the newest
-- position is kept beside them, as all of them may be gone.
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY,
    tenant   BLOB    NOT NULL,
    subject  TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    at       INTEGER NOT NULL
);
CREATE TABLE ends (
    partition INTEGER PRIMARY KEY,
    event     INTEGER NOT NULL,
    message   INTEGER NOT NULL
);
INSERT INTO ends (partition, event, message) SELECT 0, ifnull(max(position), 0), 0 FROM events;
INSERT INTO ends (partition, event, message) VALUES (1, 0, 0), (2, 0, 0);

-- Who did or saw what: numbered without gaps in each tenant and partition.
CREATE TABLE audit (
    tenant    BLOB    NOT NULL,
    partition INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    action    TEXT    NOT NULL,
    actor     BLOB,
    subject   BLOB,
    body      TEXT    NOT NULL,
    phi       TEXT,
    PRIMARY KEY (tenant, partition, number)
) WITHOUT ROWID;

-- Who may write what.
CREATE TABLE owners (
    tenant BLOB    NOT NULL,
    scope  BLOB    NOT NULL CHECK (length(scope) = 16),
    epoch  INTEGER NOT NULL CHECK (epoch > 0),
    holder BLOB    NOT NULL CHECK (length(holder) = 16),
    at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope)
) WITHOUT ROWID;

-- From here on, everything can be made anew from the events.
CREATE TABLE snapshots (
    stream  INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    schema  INTEGER NOT NULL,
    body    TEXT    NOT NULL,
    phi     TEXT
);
CREATE TABLE tables (
    name TEXT    NOT NULL PRIMARY KEY,
    live INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE places (
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    partition  INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    PRIMARY KEY (name, generation, partition)
) WITHOUT ROWID;
CREATE TABLE table_rows (
    name       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    tenant     BLOB    NOT NULL,
    key        TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    phi        TEXT,
    PRIMARY KEY (name, generation, tenant, key)
) WITHOUT ROWID;
