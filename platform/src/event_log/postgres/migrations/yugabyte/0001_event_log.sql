-- As ../0001_event_log.sql, for YugabyteDB. Numbers that count up are not split by range, where all writers would meet
-- at the end; what is read in order is in order within that. Each step can be repeated: DDL commits there by itself, and
-- a migration that was cut off is begun again.
-- Everything of a partition is numbered under the lock of its row here, so that what readers see is always all there
-- is up to a position, and nothing ever appears before it.
CREATE TABLE IF NOT EXISTS ends (
    partition integer NOT NULL,
    stream    bigint  NOT NULL,
    event     bigint  NOT NULL,
    message   bigint  NOT NULL,
    PRIMARY KEY (partition HASH)
);
INSERT INTO ends (partition, stream, event, message) SELECT n, 0, 0, 0 FROM generate_series(0, 11) AS n ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS streams (
    number   bigint NOT NULL,
    tenant   uuid   NOT NULL,
    category text   COLLATE "C" NOT NULL CHECK (length(category) BETWEEN 1 AND 32),
    stream   uuid   NOT NULL,
    version  bigint NOT NULL CHECK (version > 0),
    PRIMARY KEY (number HASH)
);
-- Pages of a category are read in this order, and one category may be most of what there is.
CREATE UNIQUE INDEX IF NOT EXISTS streams_by_name ON streams (category ASC, tenant ASC, stream ASC);

-- `at` is when it was decided, and so since when it is known; `effective` since when it is true, if not since then.
CREATE TABLE IF NOT EXISTS events (
    partition integer NOT NULL,
    position  bigint  NOT NULL,
    stream    bigint  NOT NULL,
    version   bigint  NOT NULL CHECK (version > 0),
    kind      text    NOT NULL,
    schema    integer NOT NULL,
    body      text    NOT NULL,
    phi       text,
    at        bigint  NOT NULL,
    effective bigint,
    PRIMARY KEY (partition HASH, position ASC)
);
CREATE UNIQUE INDEX IF NOT EXISTS events_by_stream ON events (stream HASH, version ASC);

CREATE TABLE IF NOT EXISTS commands (
    stream  bigint NOT NULL,
    command uuid   NOT NULL,
    version bigint NOT NULL,
    answer  text,
    PRIMARY KEY (stream HASH, command ASC)
);

CREATE TABLE IF NOT EXISTS outbox (
    partition integer NOT NULL,
    position  bigint  NOT NULL,
    tenant    uuid    NOT NULL,
    subject   text    NOT NULL,
    body      text    NOT NULL,
    at        bigint  NOT NULL,
    PRIMARY KEY (partition HASH, position ASC)
);

CREATE TABLE IF NOT EXISTS audit_ends (
    tenant    uuid    NOT NULL,
    partition integer NOT NULL,
    number    bigint  NOT NULL,
    PRIMARY KEY (tenant HASH, partition ASC)
);
CREATE TABLE IF NOT EXISTS audit (
    tenant    uuid    NOT NULL,
    partition integer NOT NULL,
    number    bigint  NOT NULL,
    at        bigint  NOT NULL,
    action    text    NOT NULL,
    actor     uuid,
    subject   uuid,
    body      text    NOT NULL,
    phi       text,
    PRIMARY KEY (tenant HASH, partition ASC, number ASC)
);

CREATE TABLE IF NOT EXISTS owners (
    tenant uuid   NOT NULL,
    scope  uuid   NOT NULL,
    epoch  bigint NOT NULL CHECK (epoch > 0),
    holder uuid   NOT NULL,
    at     bigint NOT NULL,
    PRIMARY KEY (tenant HASH, scope ASC)
);

-- From here on, everything can be made anew from the events.
CREATE TABLE IF NOT EXISTS snapshots (
    stream  bigint  NOT NULL,
    version bigint  NOT NULL,
    schema  integer NOT NULL,
    body    text    NOT NULL,
    phi     text,
    PRIMARY KEY (stream HASH)
);
CREATE TABLE IF NOT EXISTS tables (
    name text    COLLATE "C" NOT NULL,
    live integer NOT NULL,
    PRIMARY KEY (name HASH)
);
CREATE TABLE IF NOT EXISTS places (
    name       text    COLLATE "C" NOT NULL,
    generation integer NOT NULL,
    partition  integer NOT NULL,
    position   bigint  NOT NULL,
    PRIMARY KEY (name HASH, generation ASC, partition ASC)
);
CREATE TABLE IF NOT EXISTS table_rows (
    name       text    COLLATE "C" NOT NULL,
    generation integer NOT NULL,
    tenant     uuid    NOT NULL,
    key        text    COLLATE "C" NOT NULL,
    body       text    NOT NULL,
    phi        text,
    PRIMARY KEY ((name, generation, tenant) HASH, key ASC)
);
