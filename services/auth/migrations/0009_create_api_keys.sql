CREATE TABLE api_keys (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- SHA-256 of the whole key.
    hash BYTEA NOT NULL,
    -- Names of permissions, as JSON.
    scopes TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    -- To the minute.
    last_used_at TIMESTAMPTZ
);
CREATE INDEX api_keys_by_user ON api_keys (user_id, id);
