-- Sessions that were ended while access tokens of them live. They stay when the account is gone.
CREATE TABLE revoked_sessions (
    session_id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    until TIMESTAMPTZ NOT NULL
);
-- Accounts whose roles changed while access tokens with a smaller version live.
CREATE TABLE raised_versions (
    user_id UUID PRIMARY KEY,
    version BIGINT NOT NULL,
    until TIMESTAMPTZ NOT NULL
);
