-- What programs that speak S3 sign with.
CREATE TABLE access_keys (
    id UUID NOT NULL PRIMARY KEY,
    -- What a request names it by: AKIA and 16 of A-Z and 2-7.
    key_id TEXT NOT NULL UNIQUE,
    owner_kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    -- Who made it, and by whose rights it acts.
    made_by UUID NOT NULL,
    name TEXT NOT NULL,
    -- Sealed for this row. The secret itself, for signatures are made with it.
    secret BYTEA NOT NULL,
    is_read_only BOOLEAN NOT NULL,
    -- JSON: names of the buckets that it is for; empty for all.
    buckets TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    -- To the minute.
    last_used_at TIMESTAMPTZ
);
CREATE INDEX access_keys_by_owner ON access_keys (owner_kind, owner_id, id);
CREATE INDEX access_keys_by_maker ON access_keys (made_by, id);
