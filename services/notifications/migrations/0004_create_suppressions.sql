-- Addresses that nothing is sent to but what is critical, by their SHA-256: mails to them bounce, or somebody has complained.
CREATE TABLE suppressions (
    channel TEXT NOT NULL,
    address_hash BYTEA NOT NULL,
    -- bounced, complained
    reason TEXT NOT NULL,
    -- So that nobody reads it here: a***@example.com.
    masked TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    id UUID NOT NULL,
    PRIMARY KEY (channel, address_hash)
);
CREATE UNIQUE INDEX suppressions_by_id ON suppressions (id);
CREATE INDEX suppressions_by_age ON suppressions (created_at);
