-- Channels that something was published to.
CREATE TABLE channels (
    name TEXT NOT NULL PRIMARY KEY,
    -- Another one says that offsets have begun anew.
    epoch TEXT NOT NULL,
    -- Of the newest message.
    last_offset BIGINT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX channels_by_time ON channels (updated_at);

-- Their histories.
CREATE TABLE messages (
    channel TEXT NOT NULL,
    -- Its offset: 1 for the first of the channel, and no number is left out.
    position BIGINT NOT NULL,
    id UUID NOT NULL,
    event TEXT NOT NULL,
    -- JSON.
    data TEXT NOT NULL,
    -- The person who published it; null is a service.
    sender_id UUID,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (channel, position)
);
-- What is new, for the other processes.
CREATE INDEX messages_by_id ON messages (id, channel, position);
CREATE INDEX messages_by_expiry ON messages (expires_at);
CREATE INDEX messages_by_sender ON messages (sender_id) WHERE sender_id IS NOT NULL;

-- Channels of people who were erased and of organizations that are gone: nothing is published there again.
CREATE TABLE closed_channels (
    name TEXT NOT NULL PRIMARY KEY,
    closed_at TIMESTAMPTZ NOT NULL
);

-- Credentials that a client may show once in place of a token. They are sealed with the ticket itself, which is not kept.
CREATE TABLE tickets (
    -- SHA-256 of the ticket.
    hash BYTEA NOT NULL PRIMARY KEY,
    sealed BYTEA NOT NULL,
    user_id UUID NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX tickets_by_expiry ON tickets (expires_at);
CREATE INDEX tickets_by_user ON tickets (user_id);
