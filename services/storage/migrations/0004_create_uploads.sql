-- How many uploads in parts each owner has under way.
ALTER TABLE owners ADD COLUMN uploads BIGINT NOT NULL DEFAULT 0;

-- 0 for a part: its upload counts as an object already.
ALTER TABLE pending_blobs ADD COLUMN objects BIGINT NOT NULL DEFAULT 1;

-- Uploads in parts, which outlive requests and restarts.
CREATE TABLE uploads (
    id UUID NOT NULL PRIMARY KEY,
    -- Whose room it takes up.
    owner_kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    -- Who began it.
    user_id UUID NOT NULL,
    -- Where the object is to be; null for a piece of one, which is joined with others.
    bucket_id UUID,
    path BYTEA,
    -- tus or s3.
    protocol TEXT NOT NULL,
    -- open, complete, joined (its parts are another upload's now) or aborted.
    state TEXT NOT NULL,
    -- JSON: what is kept with the object.
    metadata TEXT NOT NULL,
    -- What the uploader says it is.
    media_type TEXT,
    -- What the protocol wants to be given back as it was sent.
    note TEXT,
    -- What is expected in all; null as long as nobody has said.
    length BIGINT,
    -- What has come: of all parts.
    received BIGINT NOT NULL,
    -- Of the owner's bytes, what this upload has.
    reserved BIGINT NOT NULL,
    -- The highest number of a part.
    numbered BIGINT NOT NULL,
    -- MD5 and SHA-256 of what has come, as far as they have come themselves; null where parts come in any order.
    digests BYTEA,
    -- The request that appends to it, and when it was last known to.
    writer UUID,
    writer_at TIMESTAMPTZ,
    -- What has become of it: JSON.
    outcome TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX uploads_by_owner ON uploads (owner_kind, owner_id, id);
CREATE INDEX uploads_by_expiry ON uploads (expires_at, id);
CREATE INDEX uploads_open ON uploads (bucket_id, path, id) WHERE state = 'open';

-- Each is one object of the store. When the upload is complete they become the chunks of a blob.
CREATE TABLE upload_parts (
    upload_id UUID NOT NULL,
    number BIGINT NOT NULL,
    chunk_id UUID NOT NULL,
    size BIGINT NOT NULL,
    md5 BYTEA NOT NULL,
    sha256 BYTEA NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (upload_id, number)
);
