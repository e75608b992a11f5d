-- What providers have told of messages, by its hash: each is done once, however often it comes.
CREATE TABLE provider_events (
    key BYTEA PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX provider_events_by_age ON provider_events (created_at);

-- What the provider calls the message, where it tells by that what becomes of it.
ALTER TABLE sends ADD COLUMN provider_id TEXT;
CREATE INDEX sends_by_provider_id ON sends (provider_id) WHERE provider_id IS NOT NULL;
