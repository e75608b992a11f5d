-- Whose place an operation takes, of the one that each bucket has: that of the bucket that is changed. Copying changes its target alone, and
-- who only reads the source takes no place there. What was begun before has the place that it took.
ALTER TABLE operations ADD COLUMN place_id UUID;
UPDATE operations SET place_id = bucket_id;
DROP INDEX operations_unfinished;
CREATE UNIQUE INDEX operations_unfinished ON operations (place_id) WHERE finished_at IS NULL;
