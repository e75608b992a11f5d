-- Bytes of all renditions of an owner's pictures: they take up no room of theirs, but have a bound of their own.
ALTER TABLE owners ADD COLUMN renditions BIGINT NOT NULL DEFAULT 0;

-- Pictures as they were asked for: smaller, in another format. Each is one object of the store, under a key made of its id.
CREATE TABLE renditions (
    id UUID NOT NULL PRIMARY KEY,
    blob_id UUID NOT NULL,
    -- How it was made.
    variant TEXT NOT NULL,
    owner_kind TEXT NOT NULL,
    owner_id UUID NOT NULL,
    size BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    etag TEXT NOT NULL,
    -- When it was last asked for, more or less.
    used_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX renditions_of_blob ON renditions (blob_id, variant);
CREATE INDEX renditions_of_blob_by_use ON renditions (blob_id, used_at, id);
CREATE INDEX renditions_of_owner_by_use ON renditions (owner_kind, owner_id, used_at, id);
CREATE INDEX renditions_by_use ON renditions (used_at, id);
