-- What is to be sent: one row for each request, however many it goes to.
CREATE TABLE notifications (
    id UUID PRIMARY KEY,
    type TEXT NOT NULL,
    -- Who asked: service:<name> or user:<id>.
    sender TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    -- Of the request, to tell the same one from another with the same key.
    fingerprint BYTEA NOT NULL,
    -- JSON: what templates are filled with.
    data TEXT NOT NULL,
    -- JSON: people or a topic.
    recipients TEXT NOT NULL,
    -- The person, where it goes to one alone: then its data is about them.
    user_id UUID,
    -- scheduled, sending, sent, cancelled
    state TEXT NOT NULL,
    send_at TIMESTAMPTZ NOT NULL,
    -- Who had it last, while it goes to one after the other.
    position UUID,
    recipients_count BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX notifications_by_key ON notifications (sender, idempotency_key);
CREATE INDEX notifications_by_age ON notifications (created_at);
CREATE INDEX notifications_to_one ON notifications (user_id) WHERE user_id IS NOT NULL;

-- A notification to one person.
CREATE TABLE deliveries (
    id UUID PRIMARY KEY,
    notification_id UUID NOT NULL,
    user_id UUID NOT NULL,
    type TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX deliveries_of_notification ON deliveries (notification_id, user_id);
CREATE INDEX deliveries_of_notification_by_id ON deliveries (notification_id, id);
CREATE INDEX deliveries_of_user ON deliveries (user_id, id);
CREATE INDEX deliveries_of_type ON deliveries (type, id);
CREATE INDEX deliveries_by_age ON deliveries (created_at);

-- A delivery by one channel, and how it stands.
CREATE TABLE sends (
    delivery_id UUID NOT NULL,
    channel TEXT NOT NULL,
    user_id UUID NOT NULL,
    type TEXT NOT NULL,
    -- waiting, sent, skipped, failed
    state TEXT NOT NULL,
    -- Why it stands so: the code of the last step.
    code TEXT NOT NULL,
    -- Where it went, so that nobody reads it here: a***@example.com.
    address TEXT,
    -- SHA-256 of the address, by which mails in the folder are found after an erasure.
    address_hash BYTEA,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (delivery_id, channel)
);

-- What led to it, in words.
CREATE TABLE steps (
    id UUID PRIMARY KEY,
    delivery_id UUID NOT NULL,
    channel TEXT NOT NULL,
    code TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX steps_of_delivery ON steps (delivery_id, id);

-- What a person finds in the product's own inbox.
CREATE TABLE inbox (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    delivery_id UUID NOT NULL,
    type TEXT NOT NULL,
    category TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    link TEXT,
    is_read BOOLEAN NOT NULL,
    is_archived BOOLEAN NOT NULL,
    -- Out of sight until then.
    snoozed_until TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX inbox_of_user ON inbox (user_id, id);
CREATE INDEX inbox_by_age ON inbox (created_at);

-- What is known of a person. Also the lock under which their rows are made, counted and erased.
CREATE TABLE people (
    user_id UUID PRIMARY KEY,
    is_erased BOOLEAN NOT NULL,
    -- From their preferences; null: not chosen.
    language TEXT,
    timezone TEXT,
    -- They want no mails but critical ones.
    mails_off BOOLEAN NOT NULL,
    -- What is in the inbox, and what of it is unread and in sight.
    inbox_count BIGINT NOT NULL,
    unread_count BIGINT NOT NULL
);
