CREATE TABLE accounts (
    id UUID PRIMARY KEY,
    -- As given, for display and for mail.
    email TEXT NOT NULL,
    -- Lowercased: what makes an address one.
    email_key TEXT NOT NULL UNIQUE,
    email_verified_at TIMESTAMPTZ,
    -- Argon2id, or bcrypt until the next sign-in.
    password_hash TEXT NOT NULL,
    -- Raised when roles change: access tokens with a smaller one are stale.
    access_version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
