-- As services/users/migrations has it, with what auth tells of revoked sessions.
CREATE TABLE IF NOT EXISTS profiles (
    id UUID NOT NULL PRIMARY KEY,
    user_id UUID NOT NULL UNIQUE,
    first_name TEXT,
    last_name TEXT,
    bio TEXT,
    avatar TEXT,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    registered BOOLEAN NOT NULL,
    preferences_count BIGINT NOT NULL,
    search_text TEXT NOT NULL,
    name_key BYTEA NOT NULL
);
CREATE TABLE IF NOT EXISTS revoked_sessions (
    session_id UUID NOT NULL PRIMARY KEY,
    revoked_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX IF NOT EXISTS revoked_sessions_by_time ON revoked_sessions (revoked_at);
