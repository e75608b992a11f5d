-- Whether somebody ever chose whether versions are kept: S3 tells a bucket that keeps none any more from one that never kept any.
ALTER TABLE buckets ADD COLUMN is_versioning_set BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE buckets SET is_versioning_set = is_versioned;
