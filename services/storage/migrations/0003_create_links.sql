-- Addresses by which somebody without an account reads or stores one object.
CREATE TABLE links (
    id UUID NOT NULL PRIMARY KEY,
    -- SHA-256 of the token: who reads this table cannot use the links.
    token_hash BYTEA NOT NULL UNIQUE,
    bucket_id UUID NOT NULL,
    -- download or upload.
    kind TEXT NOT NULL,
    path TEXT NOT NULL,
    -- The version that is downloaded; null for what is current then.
    version_id UUID,
    -- Largest body that is uploaded, in bytes.
    max_bytes BIGINT,
    -- Salt and Argon2id of the password; null without one.
    password BYTEA,
    max_uses BIGINT,
    uses BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX links_by_bucket ON links (bucket_id, id);
CREATE INDEX links_by_expiry ON links (expires_at, id);
