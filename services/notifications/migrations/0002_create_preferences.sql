-- How a person wants to be told of a category by a channel; what is not here goes as its type says.
CREATE TABLE preferences (
    user_id UUID NOT NULL,
    category TEXT NOT NULL,
    channel TEXT NOT NULL,
    -- at_once, hourly, daily, off
    delivery TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, category, channel)
);

-- Minutes since midnight in the person's time zone. Quiet hours are both or none; a daily digest comes at eight unless they say.
ALTER TABLE people ADD COLUMN quiet_from BIGINT;
ALTER TABLE people ADD COLUMN quiet_until BIGINT;
ALTER TABLE people ADD COLUMN digest_at BIGINT;
-- Of what the person has chosen.
ALTER TABLE people ADD COLUMN version BIGINT NOT NULL DEFAULT 0;

-- A mail that several notifications are put into.
CREATE TABLE digests (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    -- Others may still be put into it.
    is_open BOOLEAN NOT NULL
);
CREATE UNIQUE INDEX digests_of_user ON digests (user_id, due_at);
CREATE INDEX digests_by_age ON digests (due_at);

ALTER TABLE sends ADD COLUMN digest_id UUID;
CREATE INDEX sends_of_digest ON sends (digest_id, delivery_id) WHERE digest_id IS NOT NULL;
-- When it was decided that it goes out: how many of a type went to a person within a time.
ALTER TABLE sends ADD COLUMN counted_at TIMESTAMPTZ;
CREATE INDEX sends_counted ON sends (user_id, type, channel, counted_at) WHERE counted_at IS NOT NULL;

-- Topics that people follow.
CREATE TABLE followers (
    topic TEXT NOT NULL,
    user_id UUID NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (topic, user_id)
);
CREATE INDEX followers_by_user ON followers (user_id, topic);

-- Links of mails by which somebody unsubscribes without signing in; of a link only the SHA-256 is kept.
CREATE TABLE unsubscribe_links (
    token_hash BYTEA PRIMARY KEY,
    user_id UUID NOT NULL,
    -- Empty: all of them.
    category TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX unsubscribe_links_of_user ON unsubscribe_links (user_id);
CREATE INDEX unsubscribe_links_by_age ON unsubscribe_links (created_at);
