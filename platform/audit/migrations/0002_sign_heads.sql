-- The head is signed with a key that is not in the database; both are empty in logs from before there was one.
ALTER TABLE audit_head ADD COLUMN key_id TEXT;
ALTER TABLE audit_head ADD COLUMN mac BYTEA;

-- Where the chain begins once its oldest entries were deleted: behind the entry with this number and hash. Signed as well.
CREATE TABLE audit_cut (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    mac BYTEA NOT NULL
);
