-- Everything of a partition is numbered under the lock of its row here, so that what readers see is always all there
-- is up to a position, and nothing ever appears before it.
CREATE TABLE ends (
    partition integer NOT NULL PRIMARY KEY,
    stream    bigint  NOT NULL,
    event     bigint  NOT NULL,
    message   bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ends (partition, stream, event, message) SELECT n, 0, 0, 0 FROM generate_series(0, 11) AS n;

CREATE TABLE streams (
    number   bigint NOT NULL PRIMARY KEY,
    tenant   uuid   NOT NULL,
    category text   COLLATE "C" NOT NULL CHECK (length(category) BETWEEN 1 AND 32),
    stream   uuid   NOT NULL,
    version  bigint NOT NULL CHECK (version > 0),
    UNIQUE (category, tenant, stream)
) WITH (fillfactor = 80);

-- `at` is when it was decided, and so since when it is known; `effective` since when it is true, if not since then.
CREATE TABLE events (
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
    PRIMARY KEY (partition, position),
    UNIQUE (stream, version)
);

CREATE TABLE commands (
    stream  bigint NOT NULL,
    command uuid   NOT NULL,
    version bigint NOT NULL,
    answer  text,
    PRIMARY KEY (stream, command)
);

CREATE TABLE outbox (
    partition integer NOT NULL,
    position  bigint  NOT NULL,
    tenant    uuid    NOT NULL,
    subject   text    NOT NULL,
    body      text    NOT NULL,
    at        bigint  NOT NULL,
    PRIMARY KEY (partition, position)
);

CREATE TABLE audit_ends (
    tenant    uuid    NOT NULL,
    partition integer NOT NULL,
    number    bigint  NOT NULL,
    PRIMARY KEY (tenant, partition)
) WITH (fillfactor = 50);
CREATE TABLE audit (
    tenant    uuid    NOT NULL,
    partition integer NOT NULL,
    number    bigint  NOT NULL,
    at        bigint  NOT NULL,
    action    text    NOT NULL,
    actor     uuid,
    subject   uuid,
    body      text    NOT NULL,
    phi       text,
    PRIMARY KEY (tenant, partition, number)
);

CREATE TABLE owners (
    tenant uuid   NOT NULL,
    scope  uuid   NOT NULL,
    epoch  bigint NOT NULL CHECK (epoch > 0),
    holder uuid   NOT NULL,
    at     bigint NOT NULL,
    PRIMARY KEY (tenant, scope)
);

-- From here on, everything can be made anew from the events.
CREATE TABLE snapshots (
    stream  bigint  NOT NULL PRIMARY KEY,
    version bigint  NOT NULL,
    schema  integer NOT NULL,
    body    text    NOT NULL,
    phi     text
);
CREATE TABLE tables (
    name text    COLLATE "C" NOT NULL PRIMARY KEY,
    live integer NOT NULL
);
CREATE TABLE places (
    name       text    COLLATE "C" NOT NULL,
    generation integer NOT NULL,
    partition  integer NOT NULL,
    position   bigint  NOT NULL,
    PRIMARY KEY (name, generation, partition)
);
CREATE TABLE table_rows (
    name       text    COLLATE "C" NOT NULL,
    generation integer NOT NULL,
    tenant     uuid    NOT NULL,
    key        text    COLLATE "C" NOT NULL,
    body       text    NOT NULL,
    phi        text,
    PRIMARY KEY (name, generation, tenant, key)
);
