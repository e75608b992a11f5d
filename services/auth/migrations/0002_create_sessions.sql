-- Sessions that live. One that was ended is a row of revoked_sessions instead, while access tokens of it live.
CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL,
    -- When its newest refresh token expires.
    expires_at TIMESTAMPTZ NOT NULL,
    -- When the last of its access tokens expires.
    access_until TIMESTAMPTZ NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT,
    -- SHA-256 of the CSRF token of a session that is kept in cookies.
    csrf_hash BYTEA
);
CREATE INDEX sessions_by_user ON sessions (user_id, id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
