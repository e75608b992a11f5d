-- Since when no version has it, so that its bytes are found by the sweep where the job that deletes them has failed for good.
ALTER TABLE blobs ADD COLUMN unused_at TIMESTAMPTZ;
UPDATE blobs SET unused_at = (SELECT MIN(checked_at) FROM chunks WHERE chunks.blob_id = blobs.id) WHERE refs = 0;
CREATE INDEX blobs_unused ON blobs (unused_at, id) WHERE unused_at IS NOT NULL;

-- Bytes that are to be deleted and that no other row names: those of parts that were replaced, and of renditions.
CREATE TABLE unused_chunks (
    id UUID NOT NULL PRIMARY KEY,
    unused_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX unused_chunks_by_time ON unused_chunks (unused_at, id);

-- Whether an object is there, of which an older version was restored after its deletion.
CREATE INDEX versions_current_object ON versions (object_id) WHERE is_current;
