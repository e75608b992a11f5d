-- Second factors.
CREATE TABLE totp (
    user_id UUID PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    -- Sealed with a key that is not in the database.
    secret BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- None: it is being set up, and nobody is asked for it yet.
    confirmed_at TIMESTAMPTZ,
    -- The newest time step of which a code was used: no code works twice.
    last_step BIGINT NOT NULL
);
-- Codes for those who have lost their authenticator. They work once.
CREATE TABLE recovery_codes (
    user_id UUID NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- SHA-256 of the code.
    hash BYTEA NOT NULL,
    PRIMARY KEY (user_id, hash)
);
