-- Who did what to which thing. An entry is inserted without seq and hash, in the transaction it tells of; sealing gives it
-- both soon after.
CREATE TABLE audit (
    id UUID PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    actor UUID,
    action TEXT NOT NULL,
    resource_kind TEXT NOT NULL,
    resource_id UUID,
    detail TEXT NOT NULL,
    request_id TEXT,
    address TEXT,
    seq BIGINT UNIQUE,
    hash BYTEA
);

CREATE INDEX audit_unsealed ON audit (id) WHERE seq IS NULL;
CREATE INDEX audit_actor ON audit (actor, id) WHERE actor IS NOT NULL;
CREATE INDEX audit_resource ON audit (resource_id, id) WHERE resource_id IS NOT NULL;

-- The end of the chain: one row, once something was sealed. Whoever moves it on seals the entries in between.
CREATE TABLE audit_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL
);
