-- Browsers and phones that push messages go to.
CREATE TABLE push_subscriptions (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    -- The sign-in that made it: it goes when that is ended.
    session_id UUID NOT NULL,
    -- web, fcm
    kind TEXT NOT NULL,
    -- Who brings the messages: https://fcm.googleapis.com.
    service TEXT NOT NULL,
    -- Endpoint and keys, or token, sealed for this row.
    sealed BYTEA NOT NULL,
    -- Of the endpoint or token, with a key that is not in the database.
    address_hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX push_subscriptions_by_address ON push_subscriptions (address_hash);
CREATE INDEX push_subscriptions_of_user ON push_subscriptions (user_id, id);
CREATE INDEX push_subscriptions_of_session ON push_subscriptions (session_id);

-- How many a person has: known with their lock.
ALTER TABLE people ADD COLUMN push_count BIGINT NOT NULL DEFAULT 0;

-- Sign-ins that were ended, for as long as an access token of theirs may be about: nothing is made by them any more.
CREATE TABLE ended_sessions (
    session_id UUID PRIMARY KEY,
    until TIMESTAMPTZ NOT NULL
);
CREATE INDEX ended_sessions_by_end ON ended_sessions (until);

-- What became of a delivery at each subscription, until all are done: what was sent is not sent again.
CREATE TABLE push_sends (
    delivery_id UUID NOT NULL,
    subscription_id UUID NOT NULL,
    -- sent, failed, gone
    state TEXT NOT NULL,
    PRIMARY KEY (delivery_id, subscription_id)
);

-- The key by which push services know this installation, sealed. One row.
CREATE TABLE vapid_keys (
    id BIGINT PRIMARY KEY,
    sealed BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
