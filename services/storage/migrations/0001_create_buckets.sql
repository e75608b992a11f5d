-- What each person and organization uses. The row is also the lock under which their things are counted and erased.
CREATE TABLE owners (
    kind TEXT NOT NULL,
    id UUID NOT NULL,
    -- Of all their versions, and what uploads under way have reserved.
    bytes BIGINT NOT NULL,
    objects BIGINT NOT NULL,
    buckets BIGINT NOT NULL,
    -- Whether it is an organization that was deleted and can be restored: meanwhile its buckets are shown to nobody.
    is_suspended BOOLEAN NOT NULL,
    -- Whether all was erased: then nothing is made for it again.
    is_erased BOOLEAN NOT NULL,
    PRIMARY KEY (kind, id)
);

CREATE TABLE buckets (
    id UUID NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    owner_kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    is_public BOOLEAN NOT NULL,
    is_versioned BOOLEAN NOT NULL,
    -- Largest object; null is what the settings say.
    max_object_bytes BIGINT,
    -- JSON: media types such as "image/png" and "image/*"; empty for any.
    allowed_types TEXT NOT NULL,
    -- Of all versions in it.
    objects BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX buckets_by_owner ON buckets (owner_kind, owner_id, id);

-- Stored bytes, which several versions may share.
CREATE TABLE blobs (
    id UUID NOT NULL PRIMARY KEY,
    -- Versions that have it. At 0 it is deleted by a job, and none can come to have it.
    refs BIGINT NOT NULL,
    chunks BIGINT NOT NULL
);

-- The pieces of a blob: each is an object of the store, under a key made of its id. The only chunk of a blob has the blob's id.
CREATE TABLE chunks (
    id UUID NOT NULL PRIMARY KEY,
    blob_id UUID NOT NULL,
    position BIGINT NOT NULL,
    size BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    checked_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX chunks_of_blob ON chunks (blob_id, position);
CREATE INDEX chunks_by_check ON chunks (checked_at, id);

-- What is stored under a path: the current version, those before it, and deleted ones that can still be restored.
CREATE TABLE versions (
    id UUID NOT NULL PRIMARY KEY,
    bucket_id UUID NOT NULL,
    -- As bytes: both engines order bytes alike, and text not.
    path BYTEA NOT NULL,
    -- The same for all versions from the object's making to its deletion.
    object_id UUID NOT NULL,
    blob_id UUID NOT NULL,
    chunks BIGINT NOT NULL,
    size BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    -- Without the quotes.
    etag TEXT NOT NULL,
    -- Null for what was put together of parts.
    sha256 BYTEA,
    -- JSON.
    metadata TEXT NOT NULL,
    is_damaged BOOLEAN NOT NULL,
    is_current BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ,
    purge_at TIMESTAMPTZ
);
CREATE UNIQUE INDEX versions_current ON versions (bucket_id, path) WHERE is_current;
CREATE INDEX versions_by_path ON versions (bucket_id, path, id);
CREATE INDEX versions_by_blob ON versions (blob_id);
CREATE INDEX versions_by_purge ON versions (purge_at, id) WHERE purge_at IS NOT NULL;

-- Blobs whose bytes may be stored already and which no version has yet, and what is reserved for them.
CREATE TABLE pending_blobs (
    id UUID NOT NULL PRIMARY KEY,
    owner_kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    reserved BIGINT NOT NULL,
    -- When it was begun, or last known to go on.
    seen_at TIMESTAMPTZ NOT NULL,
    -- Whether it was given up: then no version may come to have it.
    is_swept BOOLEAN NOT NULL
);
CREATE INDEX pending_blobs_by_time ON pending_blobs (seen_at, id);
