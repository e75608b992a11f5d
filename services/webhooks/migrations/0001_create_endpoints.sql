-- One row for each owner: the lock under which their endpoints are counted, and what became of them.
CREATE TABLE owners (
    kind TEXT NOT NULL,
    id UUID NOT NULL,
    is_erased BOOLEAN NOT NULL,
    is_suspended BOOLEAN NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE endpoints (
    id UUID PRIMARY KEY,
    -- user, organization, installation (with an id of zeros)
    owner_kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    url TEXT NOT NULL,
    description TEXT NOT NULL,
    -- JSON: names, `noun.*`, `*`
    events TEXT NOT NULL,
    -- JSON: the names of the custom headers, whose values may be secrets and are sealed
    header_names TEXT NOT NULL,
    headers BYTEA NOT NULL,
    -- Messages a second; NULL for no limit
    rate BIGINT,
    is_ordered BOOLEAN NOT NULL,
    -- v1, v1a
    signature TEXT NOT NULL,
    is_enabled BOOLEAN NOT NULL,
    -- owner, gone, failing
    disabled_reason TEXT,
    -- Whether its last answer was good and quick
    is_quick BOOLEAN NOT NULL,
    -- Since when every attempt has failed
    failing_since TIMESTAMPTZ,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX endpoints_of_owner ON endpoints (owner_kind, owner_id, id);

-- What an endpoint's messages are signed with: the newest, and those before it until they expire.
CREATE TABLE signing_secrets (
    endpoint_id UUID NOT NULL,
    id UUID NOT NULL,
    -- v1, v1a
    kind TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    expires_at TIMESTAMPTZ,
    PRIMARY KEY (endpoint_id, id)
);
CREATE INDEX signing_secrets_expiring ON signing_secrets (expires_at) WHERE expires_at IS NOT NULL;

-- Events that some endpoint wants. The id is the event's.
CREATE TABLE messages (
    id UUID PRIMARY KEY,
    type TEXT NOT NULL,
    -- Whom it concerns: user:<id>, organization:<id>; else the key of the event
    subject TEXT NOT NULL,
    -- JSON
    data TEXT NOT NULL,
    time TIMESTAMPTZ NOT NULL
);
CREATE INDEX messages_of_subject ON messages (subject, id);

-- A message on its way to an endpoint. `series` grows with each retry that somebody asks for; jobs of an earlier one do nothing.
CREATE TABLE deliveries (
    endpoint_id UUID NOT NULL,
    message_id UUID NOT NULL,
    -- pending, delivered, failed
    state TEXT NOT NULL,
    series BIGINT NOT NULL,
    -- Of this series
    attempts BIGINT NOT NULL,
    next_at TIMESTAMPTZ,
    -- event, test, retry, replay
    cause TEXT NOT NULL,
    error TEXT,
    PRIMARY KEY (endpoint_id, message_id)
);
CREATE INDEX deliveries_by_state ON deliveries (endpoint_id, state, message_id);
CREATE INDEX deliveries_of_message ON deliveries (message_id, endpoint_id);

CREATE TABLE attempts (
    id UUID PRIMARY KEY,
    endpoint_id UUID NOT NULL,
    message_id UUID NOT NULL,
    cause TEXT NOT NULL,
    url TEXT NOT NULL,
    succeeded BOOLEAN NOT NULL,
    -- NULL where there was no answer, and then `error` says why
    status BIGINT,
    error TEXT,
    response TEXT NOT NULL,
    is_truncated BOOLEAN NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    duration_ms BIGINT NOT NULL
);
CREATE INDEX attempts_of_endpoint ON attempts (endpoint_id, id);
CREATE INDEX attempts_by_outcome ON attempts (endpoint_id, succeeded, id);
CREATE INDEX attempts_of_message ON attempts (message_id, endpoint_id, id);

-- Replays that are not finished: one of an endpoint at a time.
CREATE TABLE replays (
    endpoint_id UUID PRIMARY KEY,
    id UUID NOT NULL,
    only_failed BOOLEAN NOT NULL,
    -- The last message that was looked at, and how many were sent again
    position UUID NOT NULL,
    sent BIGINT NOT NULL
);
