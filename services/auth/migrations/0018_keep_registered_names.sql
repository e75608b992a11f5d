-- The names that somebody registered with, for the service that keeps profiles to ask for until it has heard of them by event.
CREATE TABLE registered_names (
    user_id UUID PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    first_name TEXT,
    last_name TEXT,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX registered_names_by_time ON registered_names (created_at);
