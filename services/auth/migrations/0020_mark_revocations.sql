-- What a batch of numbers is called, so that whoever was told of it before a backup was restored is known by it.
CREATE TABLE revocation_batches (
    -- The last number of the batch.
    seq BIGINT PRIMARY KEY,
    mark BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX revocation_batches_by_age ON revocation_batches (created_at);
-- What is over is found by its time.
CREATE INDEX revoked_sessions_by_until ON revoked_sessions (until);
CREATE INDEX raised_versions_by_until ON raised_versions (until);
CREATE INDEX raised_roles_by_until ON raised_roles (until);
