CREATE TABLE tenant_keys (
    tenant  BLOB    NOT NULL CHECK (length(tenant) = 16),
    version INTEGER NOT NULL CHECK (version > 0),
    kek     TEXT    NOT NULL,
    wrapped BLOB    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (tenant, version)
) STRICT;

-- A scope has one key, or had one: then its row stays, without the key, so that there is never another.
CREATE TABLE data_keys (
    tenant   BLOB    NOT NULL CHECK (length(tenant) = 16),
    scope    BLOB    NOT NULL CHECK (length(scope) = 16),
    version  INTEGER,
    wrapped  BLOB,
    at       INTEGER NOT NULL,
    shredded INTEGER,
    reason   TEXT,
    PRIMARY KEY (tenant, scope),
    FOREIGN KEY (tenant, version) REFERENCES tenant_keys (tenant, version),
    CHECK ((version IS NULL) = (wrapped IS NULL) AND (wrapped IS NULL) = (shredded IS NOT NULL))
) STRICT;
CREATE INDEX data_keys_by_version ON data_keys (tenant, version) WHERE version IS NOT NULL;
CREATE UNIQUE INDEX data_keys_shredded ON data_keys (shredded) WHERE shredded IS NOT NULL;
