-- One row per stream: where it is now. `version` is what optimistic concurrency compares.
CREATE TABLE streams (
    tenant   BLOB    NOT NULL CHECK (length(tenant) = 16),
    category TEXT    NOT NULL CHECK (length(category) BETWEEN 1 AND 32),
    stream   BLOB    NOT NULL CHECK (length(stream) = 16),
    version  INTEGER NOT NULL CHECK (version > 0),
    PRIMARY KEY (category, tenant, stream)
) WITHOUT ROWID;

-- History. `seq` orders all of it; PHI stands in its own column so that it can be encrypted and
-- shredded without rewriting the rest.
CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,
    tenant   BLOB    NOT NULL,
    category TEXT    NOT NULL,
    stream   BLOB    NOT NULL,
    version  INTEGER NOT NULL CHECK (version > 0),
    kind     TEXT    NOT NULL,
    schema   INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    phi      TEXT,
    at       INTEGER NOT NULL,
    UNIQUE (tenant, category, stream, version)
);

-- A command is carried out once: its id, and the version its events ended at.
CREATE TABLE commands (
    tenant   BLOB    NOT NULL,
    category TEXT    NOT NULL,
    stream   BLOB    NOT NULL,
    command  BLOB    NOT NULL CHECK (length(command) = 16),
    version  INTEGER NOT NULL,
    PRIMARY KEY (tenant, category, stream, command)
) WITHOUT ROWID;
