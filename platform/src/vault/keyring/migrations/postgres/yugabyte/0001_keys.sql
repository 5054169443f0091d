-- As ../0001_keys.sql, for YugabyteDB. Each step can be repeated: DDL commits there by itself, and a migration that was cut
-- off is begun again.
CREATE TABLE IF NOT EXISTS tenant_keys (
    tenant  uuid    NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    kek     text    NOT NULL,
    wrapped bytea   NOT NULL,
    at      bigint  NOT NULL,
    PRIMARY KEY (tenant ASC, version ASC)
);

-- A scope has one key, or had one: then its row stays, without the key, so that there is never another.
CREATE TABLE IF NOT EXISTS data_keys (
    tenant   uuid    NOT NULL,
    scope    uuid    NOT NULL,
    version  integer,
    wrapped  bytea,
    at       bigint  NOT NULL,
    shredded bigint,
    reason   text,
    PRIMARY KEY ((tenant, scope) HASH),
    FOREIGN KEY (tenant, version) REFERENCES tenant_keys (tenant, version),
    CHECK (num_nonnulls(version, wrapped) IN (0, 2) AND num_nonnulls(wrapped, shredded) = 1)
);
CREATE INDEX IF NOT EXISTS data_keys_by_version ON data_keys (tenant HASH, version ASC) WHERE version IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS data_keys_shredded ON data_keys (shredded ASC) WHERE shredded IS NOT NULL;

-- Erasures are numbered under the lock of this row, so that none is ever committed before one that was seen.
CREATE TABLE IF NOT EXISTS shredding (
    id     integer NOT NULL,
    number bigint  NOT NULL,
    PRIMARY KEY (id HASH)
);
INSERT INTO shredding (id, number) VALUES (1, 0) ON CONFLICT DO NOTHING;
