-- Deleted objects that can still be restored.
CREATE INDEX versions_deleted ON versions (bucket_id, id) WHERE deleted_at IS NOT NULL;

-- What is done to all objects under a prefix, a batch at a time.
CREATE TABLE operations (
    id UUID NOT NULL PRIMARY KEY,
    bucket_id UUID NOT NULL,
    -- delete, copy or move.
    kind TEXT NOT NULL,
    prefix TEXT NOT NULL,
    -- Where they are copied or moved to; null where they are deleted.
    to_bucket_id UUID,
    to_prefix TEXT,
    -- Whether what is deleted cannot be restored, and what is there already replaced.
    forever BOOLEAN NOT NULL,
    overwrite BOOLEAN NOT NULL,
    done BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    -- The path that it has come to.
    position BYTEA NOT NULL,
    -- Why it ended before its end; null if it did not.
    failure TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ
);
-- One at a time in a bucket.
CREATE UNIQUE INDEX operations_unfinished ON operations (bucket_id) WHERE finished_at IS NULL;
CREATE INDEX operations_by_bucket ON operations (bucket_id);
CREATE INDEX operations_finished ON operations (finished_at) WHERE finished_at IS NOT NULL;
